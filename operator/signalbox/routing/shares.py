"""Stratified draws: declared shares held exactly, not by luck.

A share that a user declared is a promise. Independent random draws miss 50 % by a point in one of twenty runs of
10,000; a golden-ratio sequence misses it by a few requests, because its points fill every interval evenly.
"""

import random
from bisect import bisect_right
from collections.abc import Sequence

GOLDEN = 0.6180339887498949
MAX_SEQUENCES = 512
TRIAL = 0.05
"""Part of the requests that shows whether those who were given nothing are well again, once they can be tried. The
first one is tried at once, whenever weights come: where requests are few, the next would be long in coming."""


class _Sequence:
    """The draws among one set of positions: upper bounds of all intervals but the last, and the last point drawn."""

    __slots__ = ("bounds", "point", "positions")

    def __init__(self, bounds: list[float], positions: list[int], point: float) -> None:
        self.bounds = bounds
        self.positions = positions
        self.point = point


class Draws:
    """Draws positions by weight, one low-discrepancy sequence for each set of positions that may serve.

    A sequence of its own for every set keeps the shares exact inside each set, whatever other requests are drawn
    between: requests with images, say, see fewer targets than the rest. Starts are random, so that the workers of one
    router do not move in step.

    ``mask`` are the positions with a declared weight, ``active`` those with one in force. The others are ``idle``:
    nobody could use them when weights were made, so one that is usable now has come back, or waits for a probe. Without
    a trial it would wait for ever. ``untried`` are those of them that had none since weights were heard last.
    """

    __slots__ = ("_declared", "_points", "_random", "_sequences", "_weights", "active", "idle", "mask", "untried")

    def __init__(self, weights: Sequence[float], random: random.Random) -> None:
        """``weights[i]`` is the weight of position ``i``; positions without weight are never drawn."""
        self._declared = self._weights = tuple(weights)
        self._random = random
        self._sequences: dict[int, _Sequence] = {}
        self._points: dict[int, float] = {}
        self.mask = self.active = with_weight(weights)
        self.idle = self.untried = 0

    def reweigh(self, weights: Sequence[float] | None) -> None:
        """Put other weights in force; None: those that were declared. Every sequence goes on from its point."""
        wanted = self._declared if weights is None else tuple(weights)
        self.untried = self.idle
        if wanted == self._weights:
            return
        active = self.mask & with_weight(wanted)
        if not active:
            wanted, active = self._declared, self.mask
        self._points.update((among, sequence.point) for among, sequence in self._sequences.items())
        self._sequences.clear()
        self._weights, self.active = wanted, active
        self.idle = self.untried = self.mask & ~active

    @property
    def moved(self) -> bool:
        """Whether what is in force is not what was declared, by more than half a point."""
        mine, theirs = sum(self._weights), sum(self._declared)
        pairs = zip(self._weights, self._declared, strict=True)
        return any(abs(one / mine - other / theirs) > 0.005 for one, other in pairs)

    def pick(self, among: int) -> int:
        """The position of a first attempt, out of the bitmask ``among``; -1 when none of it has weight."""
        idle = self.idle & among
        if idle and (not self.active & among or idle & self.untried or self._random.random() < TRIAL):
            position = self._try(idle & self.untried or idle)
            self.untried &= ~(1 << position)
            return position
        among &= self.active
        sequence = self._sequences.get(among)
        if sequence is None:
            sequence = self._open(among)
        point = sequence.point + GOLDEN
        if point >= 1.0:
            point -= 1.0
        sequence.point = point
        return sequence.positions[bisect_right(sequence.bounds, point)]

    def redraw(self, among: int) -> int:
        """Like ``pick`` for a further attempt: random by weight, because shares are promised of first attempts."""
        if self.idle & among and not self.active & among:
            return self._try(self.idle & among)
        among &= self.active
        sequence = self._sequences.get(among)
        if sequence is None:
            sequence = self._open(among)
        return sequence.positions[bisect_right(sequence.bounds, self._random.random())]

    def _try(self, among: int) -> int:
        positions = [position for position in range(len(self._declared)) if among >> position & 1]
        weights = [self._declared[position] for position in positions]
        return self._random.choices(positions, weights)[0]

    def _open(self, among: int) -> _Sequence:
        if len(self._sequences) >= MAX_SEQUENCES:
            # Sets are few in practice; a restart at a random point keeps the expected shares, so memory is bounded.
            self._sequences.clear()
        if len(self._points) > MAX_SEQUENCES:
            self._points.clear()
        positions, bounds = intervals(self._weights, among)
        point = self._points.pop(among, None)
        sequence = _Sequence(bounds, positions or [-1], self._random.random() if point is None else point)
        self._sequences[among] = sequence
        return sequence


def with_weight(weights: Sequence[float]) -> int:
    """The bitmask of positions whose weight is more than nothing."""
    if min(weights, default=0.0) > 0.0:
        return (1 << len(weights)) - 1
    mask = 0
    for position, weight in enumerate(weights):
        if weight > 0.0:
            mask |= 1 << position
    return mask


def intervals(weights: Sequence[float], among: int) -> tuple[list[int], list[float]]:
    """The positions of a bitmask, and the upper bounds, of 1, of all of their intervals but the last."""
    positions = [position for position in range(len(weights)) if among >> position & 1]
    total = sum(weights[position] for position in positions)
    bounds: list[float] = []
    below = 0.0
    for position in positions[:-1]:
        below += weights[position]
        bounds.append(below / total)
    return positions, bounds
