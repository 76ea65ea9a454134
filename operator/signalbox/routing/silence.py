"""Whether an endpoint has gone silent: requests go in and nothing at all comes back.

Waiting for the patience of three requests is too late where an answer takes long: at 10 requests/s and 30 s of
patience, 300 requests lie on a dead backend. But requests that wait are normal on a busy engine, while *nothing at
all* coming back is not. So silence is what is measured, and compared with the silences that the endpoint is known for:
an engine that answers in rare bursts teaches its own measure.
"""

import math

SILENT_REQUESTS = 3
SHORTEST_QUIET = 8.0
QUIET_FACTOR = 3.0
MEMORY = 120.0
NEVER = -math.inf


class Silence:
    """``pending`` requests started since the last sign of life, the first of them at ``since``; ``quiet`` is how long
    that may last: three times the longest such silence of the last two to four minutes, 8 s at least."""

    __slots__ = ("_gap", "_gap_before", "_rotate_at", "life_at", "pending", "quiet", "since")

    def __init__(self) -> None:
        self.pending = 0
        self.since = 0.0
        self.life_at = NEVER
        self.quiet = SHORTEST_QUIET
        self._gap = 0.0
        self._gap_before = 0.0
        self._rotate_at = NEVER

    def started(self, now: float) -> None:
        """A request started."""
        if not self.pending:
            self.since = now
        self.pending += 1

    def lived(self, now: float) -> None:
        """Something came from the endpoint."""
        self.life_at = now
        if not self.pending:
            return
        self.pending = 0
        gap = now - self.since
        if gap > self._gap:
            # What was long enough to be noticed teaches little at a time: it may have been a hang after all.
            self._gap = min(gap, self.quiet / 2)
            self._learn()
        if now >= self._rotate_at:
            self._rotate_at = now + MEMORY
            self._gap_before, self._gap = self._gap, 0.0
            self._learn()

    def withdrawn(self) -> None:
        """A request ended without a word from the endpoint."""
        if self.pending:
            self.pending -= 1

    def lasts(self, now: float) -> bool:
        """Whether the endpoint is silent."""
        return self.pending >= SILENT_REQUESTS and now - self.since >= self.quiet

    def _learn(self) -> None:
        self.quiet = max(SHORTEST_QUIET, QUIET_FACTOR * max(self._gap, self._gap_before))
