"""When a figure in a status may be written that is no transition: seldom, and only where it has moved.

Each such write is an event for everybody who watches the kind, so they are bounded for all objects together, too.
"""

from collections import deque
from collections.abc import Callable, Hashable

MOVE_PERCENT = 10
SECONDS = 30.0
TURN_SECONDS = 5.0
MOST_A_SECOND = 10
REMEMBERED = 1000


class Telemetry:
    """Remembers when it has allowed what; ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._written: dict[Hashable, float] = {}
        self._recent: deque[float] = deque()

    def wait(self, key: Hashable, before: tuple[int, int] | None, after: tuple[int, int]) -> float | None:
        """Seconds until ``after`` (a part and its whole) may be written in the place of ``before``.

        0 is now, which then counts as done; None is never, unless it moves further. From none to some and from some to
        none is news that cannot wait.
        """
        now = self._clock()
        if before is None or (before[0] == 0) != (after[0] == 0):
            return self._now(key, now)
        whole = max(before[1], after[1], 1)
        if max(abs(one - other) for one, other in zip(before, after, strict=True)) * 100 < MOVE_PERCENT * whole:
            return None
        return self.moved(key)

    def moved(self, key: Hashable) -> float:
        """The same for whatever has moved far enough."""
        return self._after(key, SECONDS)

    def _after(self, key: Hashable, seconds: float) -> float:
        now = self._clock()
        left = self._written.get(key, now - seconds) + seconds - now
        if left > 0:
            return left
        while self._recent and self._recent[0] <= now - 1.0:
            self._recent.popleft()
        if len(self._recent) >= MOST_A_SECOND:
            return self._recent[0] + 1.0 - now
        self._recent.append(now)
        return self._now(key, now)

    def turned(self, key: Hashable) -> float:
        """The same for what is news, but may come and go."""
        return self._after(key, TURN_SECONDS)

    def wrote(self, key: Hashable) -> None:
        """It was written with something else."""
        self._now(key, self._clock())

    def _now(self, key: Hashable, now: float) -> float:
        if len(self._written) > REMEMBERED:  # objects come and go
            self._written = {each: at for each, at in self._written.items() if now - at < SECONDS}
        self._written[key] = now
        return 0.0
