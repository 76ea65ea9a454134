"""Events in order of time."""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any


class Clock:
    """Runs callbacks at their times; what is due at the same time runs in the order in which it was planned."""

    __slots__ = ("_events", "_number", "now")

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._number = 0

    def at(self, time: float, call: Callable[..., None], *arguments: Any) -> None:
        """Call then."""
        self._number += 1
        heappush(self._events, (time, self._number, call, arguments))

    def run(self, goes_on: Callable[[], bool]) -> None:
        """Until nothing is left to happen or ``goes_on`` says no."""
        events = self._events
        while events and goes_on():
            self.now, _, call, arguments = heappop(events)
            call(*arguments)
