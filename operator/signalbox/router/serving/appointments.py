"""When those who are refused are to come again.

If all were told the same second, all would come together, and again and again: being refused would take the more of a
worker's time the more there are of them. So each is told a moment of its own, and only so many come in one second.
"""

from typing import Final

PER_SECOND: Final = 500
"""Refusing so many takes about a hundredth of a worker's time."""
SOONEST_SECONDS: Final = 1
LATEST_SECONDS: Final = 10
"""Who obeys is not to wait for ever because of those who do not."""


class Appointments:
    """Of one worker: the moment, monotonic seconds, that the next one is told."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next = 0.0

    def seconds(self, now: float) -> int:
        """After how many of them one more is to come again."""
        self._next = min(max(self._next, now + SOONEST_SECONDS) + 1 / PER_SECOND, now + LATEST_SECONDS)
        return int(self._next - now)
