"""One try at one endpoint: sends the request, holds the answer until it is one, then passes it on.

An attempt ends exactly once, in one of: an answer that is complete (``owner.answered``), a failure before anything
reached the client (``owner.failed``: another attempt may follow), or a break after content was sent
(``owner.broken``).
"""

import time
from collections.abc import Callable

from signalbox.router.serving.owner import Owner
from signalbox.router.upstream.backend import BackendState
from signalbox.router.upstream.connection import UpstreamConnection
from signalbox.router.upstream.endpoint import Endpoint
from signalbox.router.upstream.line import Line
from signalbox.router.wire import answers, events, usage
from signalbox.router.wire.encoding import EncodingError, decoder_for
from signalbox.router.wire.sse import EventStream
from signalbox.router.wire.translation import Translation, Untold
from signalbox.routing import outcomes, rate_limits
from signalbox.routing.ejection import Cause
from signalbox.routing.outcomes import Outcome

# An answer up to this size is complete before its first byte goes to the client, so that an endpoint that dies in the
# middle of it can still be replaced, and its usage be read.
HOLD_BYTES = 1 << 20
MAX_RESPONSE_BYTES = 32 << 20
MAX_EVENT_BYTES = 32 << 20
TAIL_BYTES = 8 << 10
MAX_ERROR_BYTES = 64 << 10


def _ended(raw: bytes) -> None:
    """The phase after the end."""


class Attempt(Line):
    """See the module. Times are monotonic seconds."""

    __slots__ = (
        "_held",
        "_held_bytes",
        "_hold_bytes",
        "_phase",
        "_request",
        "_stale_retried",
        "_suspected",
        "_tail",
        "_translation",
        "backend",
        "began",
        "cancelled",
        "events",
        "owner",
        "started_at",
        "stream",
        "ttft",
        "usage",
    )

    def __init__(
        self,
        owner: Owner,
        backend: BackendState,
        endpoint: Endpoint,
        request: bytes,
        now: float,
        translation: Translation | None = None,
    ) -> None:
        super().__init__(endpoint, now)
        self.owner = owner
        self.backend = backend
        self.started_at = now
        self.stream = owner.stream
        self.cancelled = False
        self.began = False  # whether anything of the answer reached the client
        self.ttft: float | None = None
        self.usage: usage.Usage | None = None
        self.events: EventStream | None = None
        self._request = request
        self._phase: Callable[[bytes], None] = self._head
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._translation = translation
        # What is sent otherwise than it came is always held as a whole: a response has another id then.
        self._hold_bytes = MAX_RESPONSE_BYTES if translation is not None or owner.rewrites else HOLD_BYTES
        self._tail = b""
        self._stale_retried = False
        self._suspected = False

    def start(self) -> None:
        """Send the request over an idle connection, or a new one."""
        self.endpoint.in_flight += 1
        self.endpoint.health.started(self.started_at)
        connection = self.endpoint.take()
        if connection is not None:
            self.connected(connection)
        else:
            self.endpoint.dial(self, self.backend.config.timeouts.connect_ms / 1000)

    # the connection

    def connected(self, connection: UpstreamConnection) -> None:
        """Send."""
        connection.receiver = self
        self.connection = connection
        if self.owner.paused:  # still busy with an earlier answer on its connection
            self.pause_reading()
        connection.send(self._request)

    def not_connected(self, reason: str, timed_out: bool) -> None:
        """Nobody there."""
        self.endpoint.health.failed(self.started_at, time.monotonic(), Cause.CONNECT)
        self.owner.note(reason)  # for the log only: it may tell of the network behind the router
        self._fail(Outcome.FAILURE, "cannot connect", 504 if timed_out else 502)

    def received(self, raw: bytes) -> None:
        """A read of the response; ``raw`` as it came, the connection's fields as parsed."""
        try:
            self._phase(raw)
        except EncodingError as error:
            self._protocol_failure(str(error))

    def lost(self, reason: str) -> None:
        """The connection ended before the response was complete."""
        connection, self.connection = self.connection, None
        untouched = connection is not None and not connection.head_done and connection.head_bytes == 0
        if connection is not None and connection.reused and untouched and not self._stale_retried:
            # The endpoint closed an idle connection at the moment of our request: it has not seen it.
            self._stale_retried = True
            self.endpoint.dial(self, self.backend.config.timeouts.connect_ms / 1000)
            return
        self.endpoint.health.failed(self.started_at, time.monotonic(), Cause.ERROR)
        if self.began:
            self._break(reason)
        else:
            self._fail(Outcome.FAILURE, reason, 502)

    # phases of the response, each called once per read

    def _head(self, raw: bytes) -> None:
        connection = self.connection
        assert connection is not None
        if not connection.head_done:
            return
        status = connection.status
        outcome = outcomes.of_status(status)
        headers = connection.headers
        spent = rate_limits.exhausted(headers, time.time())
        if outcome is Outcome.SUCCESS or outcome is Outcome.CLIENT:
            if spent is not None:
                self.backend.limits.cool_down(time.monotonic(), spent)
            if b"content-encoding" in headers:
                self.decoder = decoder_for(headers[b"content-encoding"])
            if status == 200 and headers.get(b"content-type", b"").lower().startswith(b"text/event-stream"):
                stream = self.owner.events(b"transfer-encoding" in headers)
                if stream is None:
                    self._protocol_failure("answered with events that nobody asked for")
                    return
                self.events = stream if self._translation is None else self._translation.stream()
                self._phase = self._hold_events
            else:
                self._phase = self._hold_body
            self._phase(raw)
            return
        now = time.monotonic()
        if outcome is Outcome.BUSY:
            wait = outcomes.retry_after(headers.get(b"retry-after"), time.time())
            self.backend.limits.cool_down(now, spent if wait is None else wait)
            self.endpoint.health.abandoned(self.started_at, now)
        elif outcome is Outcome.FAILURE:
            self.endpoint.health.failed(self.started_at, now, Cause.ERROR)
        elif status == 401:
            self.endpoint.health.failed(self.started_at, now, Cause.CREDENTIAL)
        else:
            self.endpoint.health.abandoned(self.started_at, now)
        self.let_go(now)
        self._fail(outcome, f"answered {status}", 502, status)

    def _hold_body(self, raw: bytes) -> None:
        connection = self.connection
        assert connection is not None
        pieces = self.take_pieces(connection)
        self._held += pieces
        if connection.done:
            self._answer_whole(b"".join(self._held) if len(self._held) != 1 else self._held[0])
            return
        self._held_bytes += sum(map(len, pieces))
        if self._held_bytes > self._hold_bytes:
            if self._hold_bytes > HOLD_BYTES:
                self._protocol_failure("the response is too large")
                return
            self.began = True
            self.last_read = time.monotonic()
            body = b"".join(self._held)
            self._held.clear()
            self._phase = self._pass_body
            length = None if self.decoder is not None else connection.headers.get(b"content-length")
            self.owner.begin(connection.status, connection.headers, length)
            self._pass(body)

    def _pass_body(self, raw: bytes) -> None:
        connection = self.connection
        assert connection is not None
        pieces = self.take_pieces(connection)
        if pieces:
            self._pass(b"".join(pieces))
        if connection.done:
            self.usage = usage.of_tail(self._tail)
            self._complete(connection.status)

    def _pass(self, data: bytes) -> None:
        self._tail = (self._tail + data)[-TAIL_BYTES:]
        self.owner.pass_on(data)

    def _hold_events(self, raw: bytes) -> None:
        connection, stream = self.connection, self.events
        assert connection is not None
        assert stream is not None
        pieces = self.take_pieces(connection)
        meaning = stream.hold(b"".join(pieces), connection.done)
        if meaning is events.Meaning.ERROR:
            self._error_event(stream.error, "reported an error before any content")
            return
        if meaning is events.Meaning.OVERTURE and not connection.done:
            if stream.held_bytes > HOLD_BYTES:
                self._protocol_failure("no content in the first MiB of the stream")
            return
        if meaning is not events.Meaning.CONTENT:
            self._protocol_failure("ended its stream without content")
            return
        now = time.monotonic()
        self.began = True
        self.last_read = now
        self.ttft = now - self.started_at
        self.endpoint.health.answered(self.started_at, now)
        self.owner.begin(connection.status, connection.headers, None)
        self._phase = self._pass_events
        if self.decoder is None:
            connection.through = self
        self._forward_events(stream.release(), connection.done)

    def _pass_events(self, raw: bytes) -> None:
        connection, stream = self.connection, self.events
        assert connection is not None
        assert stream is not None
        self.last_read = now = time.monotonic()
        self.endpoint.health.alive(now)
        data = b"".join(self.take_pieces(connection))
        self._forward_events(data, connection.done)
        stream.parsed(raw, data)

    def passes(self, raw: bytes) -> bool:
        """See ``connection.Through``: events of a stream that has begun."""
        stream = self.events
        if stream is None or not stream.passes(raw):
            return False
        self.last_read = now = time.monotonic()
        self.endpoint.health.alive(now)
        self.owner.pass_raw(raw)
        return True

    def _forward_events(self, data: bytes, done: bool) -> None:
        stream = self.events
        assert stream is not None
        out = stream.inspect(data, done)
        if out:
            self.owner.pass_on(out)
        if stream.held_bytes > MAX_EVENT_BYTES:
            self._protocol_failure("sent an event without an end")
        elif stream.error is not None:
            now = time.monotonic()
            if outcomes.of_error(stream.error) is Outcome.FAILURE:
                self.endpoint.health.failed(self.started_at, now, Cause.ERROR)
            else:
                self.endpoint.health.abandoned(self.started_at, now)
            self.let_go(now)
            self._break("reported an error in its stream")
        elif done:
            self.usage = stream.usage
            self._complete(200)

    # ends

    def _answer_whole(self, body: bytes) -> None:
        connection = self.connection
        assert connection is not None
        status, headers = connection.status, connection.headers
        if self._translation is not None:
            try:
                body = self._translation.unary(status, body)
            except Untold as error:
                self._protocol_failure(str(error))
                return
        now = time.monotonic()
        if status >= 400:
            if outcomes.of_status(status, body[:MAX_ERROR_BYTES]) is Outcome.CONTEXT_LENGTH:
                self.endpoint.health.abandoned(self.started_at, now)
                self.let_go(now)
                self._end()
                self.owner.too_long(self, status, headers, body)
                return
            self.endpoint.health.abandoned(self.started_at, now)
        else:
            answer = answers.read(body)
            if answer is None:
                self._protocol_failure("answered what is no JSON object, or holds too many values")
                return
            if answer.error is not None:
                self._error_event(answer.error, "answered 200 with an error")
                return
            self.usage = answer.usage
            self.endpoint.health.succeeded(self.started_at, now)
            self.endpoint.health.observe_duration((now - self.started_at) * 1000)
        self.let_go(now)
        self._end()
        self.owner.answer(self, status, headers, body)

    def _complete(self, status: int) -> None:
        """The last byte of an answer that was passed on as it came."""
        now = time.monotonic()
        if status >= 400:
            self.endpoint.health.abandoned(self.started_at, now)
        else:
            self.endpoint.health.succeeded(self.started_at, now)
        if self.events is None and status < 400:
            self.endpoint.health.observe_duration((now - self.started_at) * 1000)
        self.let_go(now)
        self._end()
        self.owner.answered(self, status)

    def _error_event(self, error: object, message: str) -> None:
        """An error inside a 200, before content: it counts as the status that it names."""
        now = time.monotonic()
        outcome = outcomes.of_error(error)
        if outcome is Outcome.BUSY:
            self.backend.limits.cool_down(now, None)
        if outcome is Outcome.FAILURE:
            self.endpoint.health.failed(self.started_at, now, Cause.ERROR)
        else:
            self.endpoint.health.abandoned(self.started_at, now)
        self.let_go(now)
        self._end()
        if outcome is Outcome.CLIENT or outcome is Outcome.CONTEXT_LENGTH:
            self.owner.refused_inside(self, error, outcome)
        else:
            self.owner.failed(self, outcome, message, 502, None)

    def _protocol_failure(self, message: str) -> None:
        now = time.monotonic()
        self.endpoint.health.failed(self.started_at, now, Cause.ERROR)
        self.let_go(now)
        if self.began:
            self._break(message)
        else:
            self._fail(Outcome.FAILURE, message, 502)

    def _fail(self, outcome: Outcome, message: str, gateway_status: int, upstream_status: int | None = None) -> None:
        self._end()
        self.owner.failed(self, outcome, message, gateway_status, upstream_status)

    def _break(self, message: str, *, timed_out: bool = False) -> None:
        self._end()
        self.owner.broken(self, message, timed_out)

    def _end(self) -> None:
        self.cancelled = True
        # The phase is a method of this very object: without the cycle, memory is free at once and not at a collection.
        self._phase = _ended
        self.endpoint.in_flight -= 1

    def crashed(self) -> None:
        """A defect: the client must not wait for ever."""
        self.owner.crashed()

    def cancel(self) -> None:
        """The client has left: stop the endpoint's work by closing the connection."""
        now = time.monotonic()
        self.endpoint.health.abandoned(self.started_at, now)
        self.abort()
        self._end()

    # time

    def check(self, now: float) -> None:
        """Apply time-outs; called a few times a second."""
        limits = self.backend.config.timeouts
        age = now - self.started_at
        if age * 1000 > limits.request_ms:
            self._expire(now, "request", retry=False)
        elif self.reading_paused:
            return  # it is the client that is slow
        elif not self.began:
            patience = self.endpoint.health.patience(self.stream)
            if not self._suspected and age > patience:
                self._suspected = True
                self.endpoint.health.overdue(self.started_at, now)
            if self.stream and (age * 1000 > limits.first_token_ms or (self._suspected and self._elsewhere(now))):
                self._expire(now, "firstToken", retry=True)
        elif self.events is not None and (now - self.last_read) * 1000 > limits.idle_ms:
            self._expire(now, "idle", retry=False)

    def _elsewhere(self, now: float) -> bool:
        """Whether waiting on is pointless: the endpoint is out or silent, and another one would take the request."""
        health = self.endpoint.health
        return (health.ejected or health.silent(now)) and self.owner.has_alternative(now)

    def _expire(self, now: float, which: str, *, retry: bool) -> None:
        self.abort()
        if self.reading_paused:
            self.endpoint.health.abandoned(self.started_at, now)
        else:
            self.endpoint.health.failed(self.started_at, now, Cause.ERROR if self.began else Cause.SLOW)
        message = f"time-out: {which}"
        if self.began:
            self._break(message, timed_out=True)
        elif retry:
            self._fail(Outcome.FAILURE, message, 504)
        else:
            self._end()
            self.owner.expired(self, message)
