"""Which endpoints of a backend may serve: ejection by results, half-open probes, active checks, silence.

Everything is told, nothing is timed here: ``now`` is monotonic seconds, and never goes back. Every ``started`` is
followed by exactly one of ``succeeded``, ``failed`` and ``abandoned``.

**Silence.** Waiting for the patience of three requests is too late where an answer takes long: at 10 requests/s and
30 s of patience, 300 requests lie on a dead backend. But requests that wait long are normal on a busy engine, while
*nothing at all* coming back is not. So an endpoint that was given three requests or more since its last sign of life,
the first of them ``_quiet`` seconds ago, gets no further one until it shows life, provided that another endpoint or
target serves. ``_quiet`` is three times the longest silence of the last minutes, 8 s at least: an engine that answers
in rare bursts teaches it. Silence alone refuses nobody: where nothing else is usable, ``may_probe`` lets everything
through to an endpoint that is only silent.
"""

import math
from collections import deque
from collections.abc import Callable, Collection, Hashable
from enum import IntEnum

from signalbox.routing.quantiles import Quantile

FAILURES = 3
WINDOW = 10
WINDOW_STARTS = 10
FIRST_EJECTION = 10.0
LONGEST_EJECTION = 300.0
HEALTHY_WHILE = 60.0
STREAM_PATIENCE = 10.0
UNARY_PATIENCE = 30.0
PATIENCE_FACTOR = 10.0
SILENT_REQUESTS = 3
SHORTEST_QUIET = 8.0
QUIET_FACTOR = 3.0
GAP_MEMORY = 120
DESPERATE_INTERVAL = 1.0
NEVER = -math.inf


class Cause(IntEnum):
    """Why a request failed or an endpoint is out.

    CONNECT: no connection. ERROR: a reset, a time-out, a failing status or error event, a stream cut. SLOW: no answer
    within the endpoint's patience. CHECK: active checks. CREDENTIAL: the backend refuses our own key (401), which no
    client can cause.
    """

    CONNECT = 0
    ERROR = 1
    SLOW = 2
    CHECK = 3
    CREDENTIAL = 4


class _Second:
    """Requests that started in one second, and how many of them failed."""

    __slots__ = ("failures", "second", "starts")

    def __init__(self, second: int) -> None:
        self.second = second
        self.starts = 0
        self.failures = 0


class EndpointHealth:
    """One endpoint, as one worker sees it."""

    __slots__ = (
        "_backend",
        "_cause",
        "_check_streak",
        "_clock",
        "_current",
        "_down",
        "_duration",
        "_ejected_at",
        "_failures",
        "_gap",
        "_gap_before",
        "_gap_until",
        "_length",
        "_life_at",
        "_pending",
        "_probe_at",
        "_probe_until",
        "_quiet",
        "_readmitted_at",
        "_second_end",
        "_since",
        "_soft",
        "_success_start",
        "_ttft",
        "_until",
        "_window",
        "key",
    )

    def __init__(self, key: Hashable, backend: "BackendHealth") -> None:
        self.key = key
        self._backend = backend
        # Ejection: ``_until`` is 0 while in; else the time from which one probe may go.
        self._until = 0.0
        self._soft = False
        self._cause = Cause.ERROR
        self._ejected_at = 0.0
        self._readmitted_at = NEVER
        self._length = 0.0
        self._probe_at = NEVER
        self._probe_until = NEVER
        # Evidence from results.
        self._success_start = NEVER
        self._failures: list[float] = []
        self._current = _Second(-1)
        self._second_end = NEVER
        self._window: deque[_Second] = deque()
        # Evidence from silence: requests since the last sign of life, the first of them at ``_since``.
        self._pending = 0
        self._since = 0.0
        self._life_at = NEVER
        self._clock = NEVER
        self._quiet = SHORTEST_QUIET
        self._gap = 0.0
        self._gap_before = 0.0
        self._gap_until = NEVER
        # Active checks.
        self._down = False
        self._check_streak = 0
        self._ttft = Quantile()
        self._duration = Quantile()

    @property
    def ejected(self) -> bool:
        """Out, by results or by active checks; a probe may be under way."""
        return self._down or (self._until > 0.0 and not self._soft)

    def silent(self, now: float) -> bool:
        """Withheld for its silence, though not ejected."""
        if self._until:
            return self._soft
        return self._pending >= SILENT_REQUESTS and now - self._since >= self._quiet

    def admits(self, now: float) -> bool:
        """Whether a request may go there: in and not silent, or half-open with its one probe free.

        Changes nothing: an endpoint that is asked and then not used, say because a limit is reached, keeps its probe.
        """
        if self._down:
            return False
        if self._until:
            return now >= self._until and now >= self._probe_until
        return self._pending < SILENT_REQUESTS or now - self._since < self._quiet

    def may_probe(self, now: float) -> bool:
        """Whether a request may go there although ``admits`` says no, because nothing of the route is usable.

        An ejected endpoint gets one a second; one that is only silent gets all.
        """
        if self._soft or not (self._down or self._until):
            return True
        return now - self._clock >= DESPERATE_INTERVAL

    def started(self, now: float) -> None:
        """An attempt was given to this endpoint."""
        if self._until and now >= self._until and now >= self._probe_until:
            self._probe_at = now
            self._probe_until = now + self.patience(False)
        if not self._pending:
            self._since = now
        self._pending += 1
        self._clock = now
        if now >= self._second_end:
            self._next_second(now)
        self._current.starts += 1

    def answered(self, started_at: float, now: float) -> None:
        """The first content of a stream came. It is a sign of life, a TTFT, and all that a probe has to show: to wait
        for the end of a long stream would keep a healed endpoint out for minutes."""
        self._ttft.add((now - started_at) * 1000.0)
        self._lived(now)
        if self._until and started_at >= self._ejected_at:
            self._readmit(started_at, now)

    def alive(self, now: float) -> None:
        """Something came: a token, a head, an answer to a check of life. Cheap; once a read is plenty."""
        if self._pending:
            self._lived(now)

    def succeeded(self, started_at: float, now: float) -> None:
        """The attempt that started at ``started_at`` ended well.

        It wipes out the failures of requests that started before it, not those of later ones: an answer to an old
        request says nothing about new ones.
        """
        if started_at > self._success_start:
            self._success_start = started_at
            if self._failures:
                self._failures = [start for start in self._failures if start > started_at]
        if self._pending:
            self._lived(now)
        if self._until and started_at >= self._ejected_at:
            self._readmit(started_at, now)

    def failed(self, started_at: float, now: float, cause: Cause) -> None:
        """The attempt failed, before or after content. ``SLOW`` is for one given up when its patience had ended."""
        if cause is Cause.SLOW:
            self.overdue(started_at, now)
            return
        if self._pending:
            self._pending -= 1
        self._fail(started_at, now, cause)

    def overdue(self, started_at: float, now: float) -> None:
        """The patience of an attempt ended, which may go on. Counts as a failure if nothing at all came from the
        endpoint since the attempt started: on a busy engine requests wait, but others are answered meanwhile."""
        if self._life_at < started_at:
            self._fail(started_at, now, Cause.SLOW)
        elif started_at == self._probe_at:
            self._free_probe()

    def abandoned(self, started_at: float, now: float) -> None:
        """The attempt ended by no fault of the endpoint: the client left or sent nonsense, or the backend was busy."""
        if self._pending:
            self._pending -= 1
        if started_at == self._probe_at:
            self._free_probe()
        second = self._second_of(started_at, now)
        if second is not None and second.starts:
            second.starts -= 1

    def checked(self, healthy: bool, now: float) -> None:
        """Result of an active check. Out after ``unhealthy_threshold`` bad ones in a row, back after
        ``healthy_threshold`` good ones; what results of requests have ejected, a good check does not readmit."""
        streak = self._check_streak
        self._check_streak = streak = max(streak, 0) + 1 if healthy else min(streak, 0) - 1
        if self._down:
            if streak >= self._backend.healthy_threshold:
                self._down = False
                if not self._until:
                    self._backend.notify(self, False, Cause.CHECK)
        elif streak <= -self._backend.unhealthy_threshold:
            self._down = True
            if not self._until or self._soft:
                self._backend.notify(self, True, Cause.CHECK)
        if healthy and self._until and self._cause is Cause.CONNECT:
            # It accepts connections again; whether it serves, the probe shows without waiting out the doubled time.
            self._until = min(self._until, now)

    def observe_ttft(self, ms: float) -> None:
        """Time to first token of a stream (where ``answered`` is not called)."""
        self._ttft.add(ms)
        if self._pending:
            self._lived(self._clock)

    def observe_duration(self, ms: float) -> None:
        """Duration of a unary request."""
        self._duration.add(ms)

    def patience(self, stream: bool) -> float:
        """Seconds after which a request without any answer counts as hung."""
        if stream:
            return max(STREAM_PATIENCE, PATIENCE_FACTOR * (self._ttft.value() or 0.0) / 1000.0)
        return max(UNARY_PATIENCE, PATIENCE_FACTOR * (self._duration.value() or 0.0) / 1000.0)

    def _lived(self, now: float) -> None:
        self._life_at = now
        if self._pending:
            self._pending = 0
            # A silence long enough to be noticed teaches little at a time: it may have been a hang.
            gap = min(now - self._since, self._quiet / 2)
            if gap > self._gap:
                self._gap = gap
                self._quiet = max(SHORTEST_QUIET, QUIET_FACTOR * max(gap, self._gap_before))

    def _next_second(self, now: float) -> None:
        second = int(now)
        self._second_end = second + 1.0
        self._current = _Second(second)
        window = self._window
        window.append(self._current)
        while window[0].second <= second - WINDOW:
            window.popleft()
        if now >= self._gap_until:
            self._gap_until = now + GAP_MEMORY
            self._gap_before, self._gap = self._gap, 0.0
            self._quiet = max(SHORTEST_QUIET, QUIET_FACTOR * self._gap_before)

    def _second_of(self, started_at: float, now: float) -> _Second | None:
        second = int(started_at)
        if second > int(now) - WINDOW:
            for entry in self._window:
                if entry.second == second:
                    return entry
        return None

    def _fail(self, started_at: float, now: float, cause: Cause) -> None:
        if self._until:
            # Whoever was in flight when the endpoint was ejected adds nothing; only the probe decides.
            if started_at == self._probe_at:
                self._eject(now, cause)
            return
        if started_at <= self._readmitted_at:
            return
        second = self._second_of(started_at, now)
        if second is not None:
            second.failures += 1
        if started_at > self._success_start:
            self._failures.append(started_at)
            if len(self._failures) > FAILURES:
                self._failures.remove(min(self._failures))
        if len(self._failures) >= FAILURES or (cause is not Cause.CREDENTIAL and self._half_failed(now)):
            self._eject(now, cause)

    def _half_failed(self, now: float) -> bool:
        starts = failures = 0
        for entry in self._window:
            if entry.second > int(now) - WINDOW:
                starts += entry.starts
                failures += entry.failures
        return starts >= WINDOW_STARTS and 2 * failures >= starts

    def _eject(self, now: float, cause: Cause) -> None:
        again = self._until > 0.0
        soft = False
        if cause in (Cause.ERROR, Cause.SLOW) and not (again and not self._soft) and self._backend.half_out():
            if cause is Cause.ERROR and not again:
                return
            soft = True
        if not again:
            self._ejected_at = now
            if now - self._readmitted_at >= HEALTHY_WHILE + self._length:
                self._length = 0.0
        self._length = min(2.0 * self._length, LONGEST_EJECTION) if self._length else FIRST_EJECTION
        was_out = again and not self._soft
        self._until = now + self._length
        self._soft = soft
        self._cause = cause
        self._free_probe()
        self._failures.clear()
        self._window.clear()
        self._second_end = NEVER
        if not soft and not was_out and not self._down:
            self._backend.notify(self, True, cause)

    def _readmit(self, started_at: float, now: float) -> None:
        was_out = not self._soft
        self._until = 0.0
        self._soft = False
        self._readmitted_at = now
        self._success_start = max(self._success_start, started_at)
        self._free_probe()
        self._failures.clear()
        if was_out and not self._down:
            self._backend.notify(self, False, self._cause)

    def _free_probe(self) -> None:
        self._probe_at = NEVER
        self._probe_until = NEVER

    def out_by_results(self) -> bool:
        """Out for slowness or errors, which is bounded among the endpoints of a backend."""
        return self._until > 0.0 and not self._soft and self._cause in (Cause.ERROR, Cause.SLOW)


class BackendHealth:
    """The endpoints of one backend.

    ``on_change(key, ejected, cause)`` is called when an endpoint goes out or comes back.
    """

    __slots__ = ("_endpoints", "_on_change", "healthy_threshold", "unhealthy_threshold")

    def __init__(
        self,
        *,
        unhealthy_threshold: int = 3,
        healthy_threshold: int = 1,
        on_change: Callable[[Hashable, bool, Cause], None] | None = None,
    ) -> None:
        self.unhealthy_threshold = unhealthy_threshold
        self.healthy_threshold = healthy_threshold
        self._on_change = on_change
        self._endpoints: dict[Hashable, EndpointHealth] = {}

    def endpoint(self, key: Hashable) -> EndpointHealth:
        """The state of an endpoint, created on demand; keep it, the lookup is not free."""
        found = self._endpoints.get(key)
        if found is None:
            found = self._endpoints[key] = EndpointHealth(key, self)
        return found

    def retain(self, keys: Collection[Hashable]) -> None:
        """Forget the endpoints that are not in ``keys``."""
        for key in [key for key in self._endpoints if key not in keys]:
            del self._endpoints[key]

    def half_out(self) -> bool:
        """Whether half of the endpoints, rounded up, are out for slowness or errors."""
        out = sum(endpoint.out_by_results() for endpoint in self._endpoints.values())
        return out >= (len(self._endpoints) + 1) // 2

    def notify(self, endpoint: EndpointHealth, ejected: bool, cause: Cause) -> None:
        """Tell the observer of a change."""
        if self._on_change is not None:
            self._on_change(endpoint.key, ejected, cause)
