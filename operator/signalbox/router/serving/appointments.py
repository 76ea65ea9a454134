"""When those for whom a worker has no connection are to come again.

If all were told the same second, all would come together, and again and again: refusing them would take the more of a
worker's time the more there are of them. So each is told a moment of its own, and only so many come in one second;
where they are too many for that, as many in each.
"""

from typing import Final

PER_SECOND: Final = 500
"""Refusing so many takes about a hundredth of a worker's time."""
SOONEST_SECONDS: Final = 1
LATEST_SECONDS: Final = 10
"""Nobody is to wait for much longer than what there are too many may last."""


class Appointments:
    """Of one worker: the moment, monotonic seconds, that the next one is told."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next = 0.0

    def seconds(self, now: float) -> int:
        """After how many of them one more is to come again."""
        soonest = float(SOONEST_SECONDS)
        ahead = max(self._next - now, soonest)
        if ahead >= LATEST_SECONDS + 1:
            ahead = soonest
        self._next = now + ahead + 1 / PER_SECOND
        return int(ahead)
