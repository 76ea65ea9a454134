"""What the engines of a backend say of themselves, as conditions may ask: absent until known, and once it is old."""

import time
from collections.abc import Callable

OVERLOADED = 0.9
RELIEVED = 0.7
"""Utilisations between which ``overloaded`` stays as it was: a condition with one bound would flap at it."""


class EngineLoad:
    """The load of one backend; ``clock`` gives monotonic seconds."""

    __slots__ = ("_clock", "_kv_cache_usage", "_overloaded", "_until", "_utilization", "_waiting")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = float("-inf")
        self._waiting: int | None = None
        self._utilization: float | None = None
        self._kv_cache_usage: float | None = None
        self._overloaded = False

    def heard(
        self, waiting: float | None, utilization: float | None, kv_cache_usage: float | None, until: float
    ) -> None:
        """A sample that is good ``until`` then."""
        before = self.overloaded
        self._until = until
        self._waiting = None if waiting is None else round(waiting)
        self._utilization = utilization
        self._kv_cache_usage = kv_cache_usage
        self._overloaded = utilization is not None and utilization >= (RELIEVED if before else OVERLOADED)

    def forget(self) -> None:
        """Nothing is known any more."""
        self._until = float("-inf")

    @property
    def _fresh(self) -> bool:
        return self._clock() <= self._until

    @property
    def waiting(self) -> int | None:
        """Requests that wait."""
        return self._waiting if self._fresh else None

    @property
    def utilization(self) -> float | None:
        """0 to 2; above 1, requests wait."""
        return self._utilization if self._fresh else None

    @property
    def kv_cache_usage(self) -> float | None:
        """0 to 1."""
        return self._kv_cache_usage if self._fresh else None

    @property
    def overloaded(self) -> bool:
        """On at 0.9, off below 0.7; what is not known counts as no overload."""
        return self._overloaded and self._fresh
