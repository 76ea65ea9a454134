"""When what is due. Every target keeps a phase of its own: many are spread evenly over the interval, and stay so after
all of them were silent together."""

import heapq
import math
from typing import Generic, TypeVar
from zlib import crc32

Key = TypeVar("Key", bound=tuple[str, ...])


class Schedule(Generic[Key]):
    """Keys with intervals, in seconds. Adding and taking cost the logarithm of their number, waiting costs nothing."""

    def __init__(self) -> None:
        self._intervals: dict[Key, float] = {}
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, Key]] = []

    def set(self, key: Key, interval: float, now: float) -> None:
        """Have a key come up in every interval from now on."""
        if self._intervals.get(key) != interval:
            self._intervals[key] = interval
            self._push(key, _next(key, interval, now))

    def remove(self, key: Key) -> None:
        """Have it come up no more."""
        self._intervals.pop(key, None)
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
        self._push(key, _next(key, self._intervals[key], now))
        return key, due

    def _push(self, key: Key, due: float) -> None:
        self._due[key] = due
        heapq.heappush(self._heap, (due, key))


def _next(key: tuple[str, ...], interval: float, now: float) -> float:
    """The first time after now that has the key's phase."""
    phase = crc32("\n".join(key).encode()) / 2**32 * interval
    return phase + (math.floor((now - phase) / interval) + 1) * interval
