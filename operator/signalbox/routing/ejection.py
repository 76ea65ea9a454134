"""Which endpoints of a backend may serve: ejection by results, half-open probes, active checks, silence.

Everything is told, nothing is timed here: ``now`` is monotonic seconds and never goes back. Every ``started`` is
followed by exactly one of ``succeeded``, ``failed`` and ``abandoned``.

Ejection for errors or slowness is bounded: at most half of a backend's endpoints, rounded up, are out at once. A hung
backend of several endpoints would so keep half of them and all of its traffic. Hence a softer measure beside it, which
has no bound and refuses nobody: an endpoint that is *silent* (see ``silence``), or that the bound alone keeps from
being ejected as hung, is passed over as long as anything else of the route is usable, and used when nothing is.
"""

import math
from collections.abc import Callable, Collection, Hashable
from enum import IntEnum

from signalbox.routing.evidence import Evidence
from signalbox.routing.quantiles import Quantile
from signalbox.routing.silence import SILENT_REQUESTS, Silence

FIRST_EJECTION = 10.0
LONGEST_EJECTION = 300.0
HEALTHY_WHILE = 60.0
STREAM_PATIENCE = 10.0
UNARY_PATIENCE = 30.0
PATIENCE_FACTOR = 10.0
DESPERATE_INTERVAL = 1.0
NEVER = -math.inf


class Cause(IntEnum):
    """Why a request failed or an endpoint is out.

    CONNECT: no connection. ERROR: a reset, a failing status or error event, a stream cut or frozen. SLOW: no answer
    at all in time. CHECK: active checks. CREDENTIAL: the backend refuses our own key (401), which no client causes.
    """

    CONNECT = 0
    ERROR = 1
    SLOW = 2
    CHECK = 3
    CREDENTIAL = 4


class EndpointHealth:
    """One endpoint, as one worker sees it. ``_until`` is 0 while it is in, else when its next probe may go.

    ``unreachable``: no connection could be made, the last time that one was needed.
    """

    __slots__ = (
        "_backend",
        "_cause",
        "_desperate_at",
        "_down",
        "_duration",
        "_ejected_at",
        "_evidence",
        "_length",
        "_probe_at",
        "_probe_until",
        "_readmitted_at",
        "_silence",
        "_soft",
        "_started_at",
        "_streak",
        "_ttft",
        "_until",
        "key",
        "unreachable",
    )

    def __init__(self, key: Hashable, backend: "BackendHealth") -> None:
        self.key = key
        self._backend = backend
        self._evidence = Evidence()
        self._silence = Silence()
        self._ttft = Quantile()
        self._duration = Quantile()
        self._until = 0.0
        self._soft = False
        self._cause = Cause.ERROR
        self._length = 0.0
        self._ejected_at = NEVER
        self._readmitted_at = NEVER
        self._started_at = NEVER
        self._probe_at = NEVER
        self._probe_until = NEVER
        self._desperate_at = NEVER
        self._down = False
        self._streak = 0
        self.unreachable = False

    @property
    def ejected(self) -> bool:
        """Out, by results or by active checks; a probe may be under way."""
        return self._down or (self._until > 0.0 and not self._soft)

    @property
    def out_for(self) -> str:
        """Why it is ejected, in one word; "" while it is not."""
        if self._down:
            return Cause.CHECK.name.lower()
        return self._cause.name.lower() if self.ejected else ""

    def silent(self, now: float) -> bool:
        """Passed over for its silence, though not ejected."""
        return not self.ejected and (self._soft or self._silence.lasts(now))

    def admits(self, now: float) -> bool:
        """Whether a request may go there: in and not silent, or half-open with its one probe free.

        Changes nothing: an endpoint that is asked and then not used, say because a limit is reached, keeps its probe.
        """
        if self._down:
            return False
        if self._until:
            return now >= self._until and now >= self._probe_until
        silence = self._silence
        return silence.pending < SILENT_REQUESTS or now - silence.since < silence.quiet

    def may_probe(self, now: float) -> bool:
        """Whether a request may go there although ``admits`` says no, because nothing of the route is usable.

        An ejected endpoint gets one a second; one that is only silent gets all.
        """
        return not self.ejected or now - self._desperate_at >= DESPERATE_INTERVAL

    def started(self, now: float) -> None:
        """An attempt was given to this endpoint."""
        if self._until or self._down:
            self._desperate_at = now
            if self._until and now >= self._until and now >= self._probe_until:
                self._probe_at = now
                self._probe_until = now + self.patience(False)
        self._started_at = now
        self._silence.started(now)
        self._evidence.started(now)

    def answered(self, started_at: float, now: float) -> None:
        """The first content of a stream came.

        It is all that a probe has to show: to wait for the end of a long stream would keep a healed endpoint out for
        minutes. For an endpoint that is in, only the end of a stream is a success.
        """
        self.unreachable = False
        self._ttft.add((now - started_at) * 1000.0)
        self._silence.lived(now)
        if self._until and started_at >= self._ejected_at:
            self._readmit(started_at, now)

    def alive(self, now: float) -> None:
        """A token came. Cheap enough for every read."""
        silence = self._silence
        if silence.pending:
            silence.lived(now)
        else:
            silence.life_at = now

    def succeeded(self, started_at: float, now: float) -> None:
        """The attempt ended well."""
        self.unreachable = False
        self._evidence.succeeded(started_at)
        self._silence.lived(now)
        if self._until and started_at >= self._ejected_at:
            self._readmit(started_at, now)

    def failed(self, started_at: float, now: float, cause: Cause) -> None:
        """The attempt failed, before or after content."""
        self.unreachable = cause is Cause.CONNECT
        if cause is Cause.ERROR:
            self._silence.lived(now)  # a bad answer is an answer; what it is worth, the evidence says
        else:
            self._silence.withdrawn()
        if self._until:
            # Whoever was in flight when the endpoint was ejected adds nothing: only the probe decides.
            if started_at == self._probe_at:
                self._eject(now, cause)
        elif started_at > self._readmitted_at and self._evidence.failed(started_at, now):
            self._eject(now, cause)

    def overdue(self, started_at: float, now: float) -> None:
        """The patience with an attempt has ended; it may go on, and is ended by another call as usual.

        It counts as a failure if nothing at all came from the endpoint since it started. On a busy engine requests
        wait longer than that, but others are answered meanwhile.
        """
        lived = self._silence.life_at >= started_at
        if self._until:
            if started_at == self._probe_at:
                if lived:
                    self._free_probe()
                else:
                    self._eject(now, Cause.SLOW)
        elif not lived and started_at > self._readmitted_at and self._evidence.overdue(started_at, now):
            self._eject(now, Cause.SLOW)

    def abandoned(self, started_at: float, now: float) -> None:
        """The attempt ended by no fault of the endpoint: the client left or sent nonsense, or the backend is busy."""
        self._silence.withdrawn()
        self._evidence.withdraw(started_at, now)
        if started_at == self._probe_at:
            self._free_probe()

    def checked(self, healthy: bool, now: float) -> None:
        """Result of an active check. Out after ``unhealthy_threshold`` bad ones in a row, back after
        ``healthy_threshold`` good ones. What requests have ejected, a good check does not readmit: a draining engine
        calls itself healthy while it fails them all."""
        self._streak = streak = max(self._streak, 0) + 1 if healthy else min(self._streak, 0) - 1
        was_out = self.ejected
        if streak >= self._backend.healthy_threshold:
            self._down = False
        elif streak <= -self._backend.unhealthy_threshold:
            self._down = True
        if self.ejected is not was_out:
            self._backend.notify(self, not was_out, Cause.CHECK)
        if healthy and self._cause is Cause.CONNECT and self._until > now:
            self._until = now  # it takes connections again: a probe may show the rest, however long it had been out

    def observe_ttft(self, ms: float) -> None:
        """Time to first token of a stream, where ``answered`` is not called."""
        self._ttft.add(ms)
        self._silence.lived(self._started_at)

    def observe_duration(self, ms: float) -> None:
        """Duration of a unary request."""
        self._duration.add(ms)

    def patience(self, stream: bool) -> float:
        """Seconds after which a request without any answer is overdue."""
        if stream:
            return max(STREAM_PATIENCE, PATIENCE_FACTOR * (self._ttft.value() or 0.0) / 1000.0)
        return max(UNARY_PATIENCE, PATIENCE_FACTOR * (self._duration.value() or 0.0) / 1000.0)

    @property
    def out_by_results(self) -> bool:
        """Ejected for errors or slowness: what is bounded."""
        return self._until > 0.0 and not self._soft and self._cause in (Cause.ERROR, Cause.SLOW)

    def _eject(self, now: float, cause: Cause) -> None:
        was_out = self.ejected
        bounded = cause in (Cause.ERROR, Cause.SLOW) and not self.out_by_results and self._backend.half_out()
        self._free_probe()
        if bounded and cause is Cause.ERROR:
            # It does answer, if badly: it stays, or comes back from its silence.
            self._until = 0.0
            self._soft = False
        else:
            if not self._until:
                self._ejected_at = now
                if now - self._readmitted_at >= HEALTHY_WHILE + self._length:
                    self._length = 0.0
            self._length = min(2.0 * self._length, LONGEST_EJECTION) or FIRST_EJECTION
            self._until = now + self._length
            self._soft = bounded
            self._cause = cause
            self._evidence.reset(NEVER)
        if self.ejected is not was_out:
            self._backend.notify(self, not was_out, cause)

    def _readmit(self, started_at: float, now: float) -> None:
        was_out = self.ejected
        self._until = 0.0
        self._soft = False
        self._readmitted_at = now
        self._free_probe()
        self._evidence.reset(started_at)
        if self.ejected is not was_out:
            self._backend.notify(self, False, self._cause)

    def _free_probe(self) -> None:
        self._probe_at = NEVER
        self._probe_until = NEVER


class BackendHealth:
    """The endpoints of one backend. ``on_change(key, ejected, cause)`` is called when one goes out or comes back."""

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
        """Whether half of the endpoints, rounded up, are out for errors or slowness."""
        out = sum(endpoint.out_by_results for endpoint in self._endpoints.values())
        return out >= (len(self._endpoints) + 1) // 2

    def notify(self, endpoint: EndpointHealth, ejected: bool, cause: Cause) -> None:
        """Tell the observer of a change."""
        if self._on_change is not None:
            self._on_change(endpoint.key, ejected, cause)
