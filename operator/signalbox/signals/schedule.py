"""When what is due. Owners are spread evenly over the interval. Of one owner, all targets come up shortly before its
loop steps, so that what it decides on is new; very many of them are spread over as much of the interval as they need.
"""

import heapq
import math
from collections import Counter
from typing import Generic, TypeVar
from zlib import crc32

RATE = 1000.0
"""Looks a second of one owner."""
LEAST_SPREAD = 0.1
"""Of the interval: nobody asks all engines of an owner in one moment."""
STEP = 0.2
"""Of the interval, after an owner's turn has begun: then a loop steps."""

Key = TypeVar("Key", bound=tuple[str, ...])


def turn(owner: str) -> float:
    """Where in the interval the turn of an owner begins, 0 to 1."""
    return crc32(owner.encode()) / 2**32


def following(phase: float, interval: float, now: float) -> float:
    """The first time after now that is at this part of the interval."""
    at = phase % 1.0 * interval
    return at + (math.floor((now - at) / interval) + 1) * interval


class Schedule(Generic[Key]):
    """Keys with intervals, in seconds; the first part of a key is its owner.

    Adding and taking cost the logarithm of their number, waiting costs nothing.
    """

    def __init__(self) -> None:
        self._intervals: dict[Key, float] = {}
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, Key]] = []
        self._owned: Counter[str] = Counter()

    def set(self, key: Key, interval: float, now: float) -> None:
        """Have a key come up in every interval from now on."""
        if self._intervals.get(key) != interval:
            self._owned[key[0]] += key not in self._intervals
            self._intervals[key] = interval
            self._push(key, self._next(key, interval, now))

    def remove(self, key: Key) -> None:
        """Have it come up no more."""
        if self._intervals.pop(key, None) is not None:
            self._owned[key[0]] -= 1
            if not self._owned[key[0]]:
                del self._owned[key[0]]
        self._due.pop(key, None)

    def next(self) -> float | None:
        """When the next one is due."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now: float) -> tuple[Key, float] | None:
        """One that is due, and since when. It comes up again at its next time; turns that have passed are lost."""
        due = self.next()
        if due is None or due > now:
            return None
        _, key = heapq.heappop(self._heap)
        self._push(key, self._next(key, self._intervals[key], now))
        return key, due

    def _push(self, key: Key, due: float) -> None:
        self._due[key] = due
        heapq.heappush(self._heap, (due, key))

    def _next(self, key: Key, interval: float, now: float) -> float:
        """The first time after now that has the key's phase."""
        spread = min(1.0, max(LEAST_SPREAD, self._owned[key[0]] / (RATE * interval)))
        own = crc32("\n".join(key).encode()) / 2**32
        return following(turn(key[0]) + spread * own, interval, now)
