"""The router's own part of the law: two draws by weight, and the one that is less behind now."""

import random
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from itertools import accumulate

MOST_SCALE = 16.0
KEPT = 60.0


class Counted:
    """Requests that one router has in flight to one backend, and what it had at a time before."""

    __slots__ = ("_changes", "_looked", "_rate", "_seen", "in_flight", "started")

    def __init__(self) -> None:
        self.in_flight = 0
        self.started = 0
        self._changes: deque[tuple[float, int]] = deque()
        self._looked = 0.0
        self._seen = 0
        self._rate: float | None = None

    def rate(self, now: float) -> float | None:
        """Requests a second, smoothed."""
        passed = now - self._looked
        if passed >= 1.0:
            new = (self.started - self._seen) / passed
            self._rate = new if self._rate is None else self._rate + 0.3 * (new - self._rate)
            self._looked, self._seen = now, self.started
        return self._rate

    def moved(self, by: int, now: float) -> None:
        self.in_flight += by
        changes = self._changes
        changes.append((now, self.in_flight))
        while changes[0][0] < now - KEPT:
            changes.popleft()

    def at(self, time: float) -> int:
        last = 0
        for when, value in reversed(self._changes):
            if when <= time:
                return value
            last = value
        return last


class Steering:
    """One set of targets, by position. ``load`` is n, f at the sample, s by position."""

    __slots__ = ("_cumulated", "_random", "_weights", "loads")

    def __init__(self, weights: Sequence[float], chance: random.Random) -> None:
        self._random = chance
        self.loads: list[tuple[float, float, float]] = [(0.0, 0.0, 1.0)] * len(weights)
        self._weights: list[float] = []
        self._cumulated: dict[int, tuple[list[int], list[float]]] = {}
        self.weigh(weights)

    def weigh(self, weights: Sequence[float]) -> None:
        self._weights = list(weights)
        self._cumulated.clear()

    def sampled(self, position: int, there: float, at: float, arrivals: float | None, own: Counted, now: float) -> None:
        """What the operator saw at a backend, and when."""
        rate = own.rate(now)
        scale = min(MOST_SCALE, max(1.0, arrivals / rate)) if arrivals and rate else 1.0
        self.loads[position] = (there, own.at(at), scale)

    def pick(self, among: int, counted: Sequence[Counted]) -> int:
        found = self._cumulated.get(among)
        if found is None:
            positions = [p for p, w in enumerate(self._weights) if among >> p & 1 and w > 0.0]
            found = self._cumulated[among] = (positions, list(accumulate(self._weights[p] for p in positions)))
        positions, sums = found
        if not positions:
            return -1
        total, draw = sums[-1], self._random.random
        one = positions[min(bisect_right(sums, draw() * total), len(positions) - 1)]
        other = positions[min(bisect_right(sums, draw() * total), len(positions) - 1)]
        if one == other:
            return one
        return one if self._behind(one, counted) <= self._behind(other, counted) else other

    def _behind(self, position: int, counted: Sequence[Counted]) -> float:
        there, then, scale = self.loads[position]
        now = there + scale * (counted[position].in_flight - then)
        return (max(0.0, now) + 1.0) / self._weights[position]
