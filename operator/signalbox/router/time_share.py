"""A bound on what may be spent on something that others decide the amount of."""


class TimeShare:
    """Seconds that may be spent: a share of those that go by, of which at most some are saved. ``left`` may become
    negative by the last thing that was begun; then what follows waits longer."""

    __slots__ = ("_counted", "_most_saved", "_share", "left")

    def __init__(self, share: float, most_saved: float, now: float) -> None:
        self._share = share
        self._most_saved = most_saved
        self._counted = now
        self.left = most_saved

    def earn(self, now: float) -> None:
        """Add what the time since the last call is worth."""
        self.left = min(self._most_saved, self.left + (now - self._counted) * self._share)
        self._counted = now
