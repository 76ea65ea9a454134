"""What the results of requests say about an endpoint: enough failures to eject it, or not."""

import math
from collections import deque

FAILURES = 3
WINDOW = 10
WINDOW_STARTS = 10
NEVER = -math.inf


class _Second:
    """Requests that started in one second, and how many of them failed."""

    __slots__ = ("failures", "second", "starts")

    def __init__(self, second: int) -> None:
        self.second = second
        self.starts = 0
        self.failures = 0


class Evidence:
    """Two rules: 3 failures among requests that started after the last success's start; or half of the requests
    started in the last 10 s failed, of at least 10.

    Both count by *starts*. An answer to an old request says nothing about new ones, and the failure of an old one
    nothing about an endpoint that has served younger ones since.
    """

    __slots__ = ("_current", "_failures", "_overdue", "_second_end", "_success_start", "_window")

    def __init__(self) -> None:
        self._success_start = NEVER
        self._failures: list[float] = []
        self._overdue: list[float] = []
        self._window: deque[_Second] = deque()
        self._current = _Second(-1)
        self._second_end = NEVER

    def started(self, now: float) -> None:
        """A request started."""
        if now >= self._second_end:
            self._second_end = int(now) + 1.0
            self._current = _Second(int(now))
            self._window.append(self._current)
            self._expire(now)
        self._current.starts += 1

    def succeeded(self, started_at: float) -> None:
        """A request ended well: failures of those that had started before it no longer count."""
        if started_at > self._success_start:
            self._success_start = started_at
            if self._failures:
                self._failures = [start for start in self._failures if start > started_at]
        if self._overdue:
            self._settle(started_at)

    def failed(self, started_at: float, now: float) -> bool:
        """A request failed; whether that is enough. One that was counted as overdue is not counted again."""
        if self._overdue and self._settle(started_at):
            return self._enough(now)
        second = self._second_of(started_at, now)
        if second is not None:
            second.failures += 1
        if started_at > self._success_start:
            self._failures.append(started_at)
            if len(self._failures) > FAILURES:
                self._failures.remove(min(self._failures))
        return self._enough(now)

    def overdue(self, started_at: float, now: float) -> bool:
        """A request goes on, but already counts as failed; whether that is enough."""
        enough = self.failed(started_at, now)
        self._overdue.append(started_at)
        return enough

    def withdraw(self, started_at: float, now: float) -> None:
        """A request that says nothing: it leaves no trace among the starts."""
        if self._overdue and self._settle(started_at):
            return
        second = self._second_of(started_at, now)
        if second is not None and second.starts:
            second.starts -= 1

    def reset(self, success_start: float) -> None:
        """Begin anew; failures of requests that started up to ``success_start`` will not count."""
        self._success_start = max(self._success_start, success_start)
        self._failures.clear()
        self._overdue.clear()
        self._window.clear()
        self._second_end = NEVER

    def _enough(self, now: float) -> bool:
        if len(self._failures) >= FAILURES:
            return True
        self._expire(now)
        starts = sum(second.starts for second in self._window)
        failures = sum(second.failures for second in self._window)
        return starts >= WINDOW_STARTS and 2 * failures >= starts

    def _settle(self, started_at: float) -> bool:
        if started_at not in self._overdue:
            return False
        self._overdue.remove(started_at)
        return True

    def _expire(self, now: float) -> None:
        window, oldest = self._window, int(now) - WINDOW
        while window and window[0].second <= oldest:
            window.popleft()

    def _second_of(self, started_at: float, now: float) -> _Second | None:
        if started_at <= now - WINDOW:
            return None
        second = int(started_at)
        return next((entry for entry in self._window if entry.second == second), None)
