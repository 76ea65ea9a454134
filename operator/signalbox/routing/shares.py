"""Stratified draws: declared shares held exactly, not by luck.

A share that a user declared is a promise. Independent random draws miss 50 % by a point in one of twenty runs of
10,000; a golden-ratio sequence misses it by a few requests, because its points fill every interval evenly.
"""

import random
from bisect import bisect_right
from collections.abc import Sequence

GOLDEN = 0.6180339887498949
MAX_SEQUENCES = 512


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
    """

    __slots__ = ("_random", "_sequences", "_weights", "mask")

    def __init__(self, weights: Sequence[int], random: random.Random) -> None:
        """``weights[i]`` is the weight of position ``i``; positions without weight are never drawn."""
        self._weights = tuple(weights)
        self._random = random
        self._sequences: dict[int, _Sequence] = {}
        self.mask = sum(1 << position for position, weight in enumerate(weights) if weight > 0)

    def pick(self, among: int) -> int:
        """The position of a first attempt, out of the bitmask ``among``; -1 when none of it has weight."""
        among &= self.mask
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
        among &= self.mask
        sequence = self._sequences.get(among)
        if sequence is None:
            sequence = self._open(among)
        return sequence.positions[bisect_right(sequence.bounds, self._random.random())]

    def _open(self, among: int) -> _Sequence:
        if len(self._sequences) >= MAX_SEQUENCES:
            # Sets are few in practice; a restart at a random point keeps the expected shares, so memory is bounded.
            self._sequences.clear()
        positions = [position for position in range(len(self._weights)) if among >> position & 1]
        total = sum(self._weights[position] for position in positions)
        bounds: list[float] = []
        below = 0
        for position in positions[:-1]:
            below += self._weights[position]
            bounds.append(below / total)
        sequence = _Sequence(bounds, positions or [-1], self._random.random())
        self._sequences[among] = sequence
        return sequence
