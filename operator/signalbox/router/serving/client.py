"""One connection of a client: requests in, answers out, one at a time in the order they came."""

import asyncio
import logging
import random
import time
from typing import TYPE_CHECKING, Any, cast

from signalbox.router.serving import admission
from signalbox.router.serving.answering import Answering
from signalbox.router.serving.deadline import Deadline
from signalbox.router.serving.exchange import Exchange
from signalbox.router.telemetry.entry import Entry
from signalbox.router.wire.errors import Refusal, status_line
from signalbox.router.wire.heads import Head
from signalbox.router.wire.requests import Request, RequestReader
from signalbox.router.wire.room import UNWEIGHED_BYTES
from signalbox.router.wire.weight import MAX_WEIGHT, too_complex, weight
from signalbox.routing.formats.anthropic_client.request import translate

if TYPE_CHECKING:
    from signalbox.router.serving.proxy import Proxy

# Requests, and bytes of their bodies, that may wait for their turn on one connection before it is read no further.
MAX_PIPELINED = 8
MAX_PIPELINED_BYTES = 1 << 20
# After the last answer, how long what the client still sends is thrown away: closing at once would reset the
# connection and could take the answer with it (RFC 9112, section 9.6).
LINGER_SECONDS = 5.0

_log = logging.getLogger(__name__)
_getrandbits = random.getrandbits


class ClientConnection(Answering):
    """See the module. ``paused`` says that the client reads more slowly than answers come.

    It is an ``asyncio.Protocol`` in all but its base: with one that is not compiled it could not be compiled itself.
    """

    __slots__ = (
        "_closing",
        "_deadline",
        "_exchange",
        "_holds",
        "_reader",
        "_reading_paused",
        "_room",
        "_serving",
        "_turns",
        "paused",
        "paused_since",
        "request_id",
    )

    def __init__(self, proxy: "Proxy") -> None:
        super().__init__(proxy)
        self._turns = proxy.turns
        self._room = proxy.room
        self._holds = 0  # room that the body of the request takes that is being answered
        self._exchange: Exchange | None = None
        self._serving = False  # a request is being answered
        self._closing = False
        self._reading_paused = False
        self.paused = False
        self.paused_since = 0.0
        self.request_id = b""

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected; at the end of a router, by a handshake that had begun before."""
        self.transport = cast("asyncio.Transport", transport)
        options = self._proxy.options
        # Not before: these refer to each other, and of a handshake that fails nobody would tell the end.
        self._reader = RequestReader(options, self._gate, self._room)
        self._deadline = Deadline(options, self._reader, self._room)
        self._deadline.give(options.header_timeout if self._proxy.draining else options.keep_alive)
        self._proxy.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has left: what it asked for is not wanted any more."""
        self._closing = True
        self._reader.close()
        self._give_back()
        self._proxy.closed(self)
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.abandon()

    def data_received(self, data: bytes) -> None:
        """Read, and serve when nothing else is being served."""
        if self._closing:
            return
        reader = self._reader
        waiting = len(reader.ready)
        reader.feed(data)
        if self._serving or self.paused:
            if len(reader.ready) > waiting:
                self._deadline.renew()
            self._await_rest(len(data))
            if not self._reading_paused and (
                len(reader.ready) >= MAX_PIPELINED
                or (len(reader.ready) > 1 and reader.waiting_bytes > MAX_PIPELINED_BYTES)
            ):
                self._reading_paused = True
                self.transport.pause_reading()
        elif reader.ready:
            self._deadline.renew()
            self._turns.begin(self)
            if reader.current is not None:
                self._await_rest(0)
        else:
            self._await_rest(len(data))

    def eof_received(self) -> None:
        """The client will send no more, and is taken to have left, but not before it was told what it asked."""
        self._outbox.flush()

    def pause_writing(self) -> None:
        """The client reads slowly: stop reading what it is to get."""
        self.paused = True
        self.paused_since = time.monotonic()
        if self._exchange is not None and self._exchange.attempt is not None:
            self._exchange.attempt.pause_reading()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self.paused = False
        if self._exchange is not None and self._exchange.attempt is not None:
            self._exchange.attempt.resume_reading()
        elif not self._serving:
            self._continue()

    # serving

    def _gate(self, head: Head, has_body: bool) -> Refusal | None:
        return admission.turn_away(self._proxy.live, head, has_body)

    def wait(self) -> None:
        """The next request waits for a turn: nothing else may be served before it."""
        self._serving = True

    def serve_next(self, refusal: Refusal | None = None) -> None:
        """Serve the first request that waits, or refuse it."""
        if self._closing or not self._reader.ready:
            return
        request = self._reader.ready.popleft()
        if refusal is not None and request.refusal is None:
            request.refusal = refusal
        self._holds = len(request.body)
        self._serving = True
        self.answer_to(request.head)
        try:
            self._serve(request)
        except Exception:
            self.crash(self._exchange)

    def _serve(self, request: Request) -> None:
        head = request.head
        self.request_id = head.request_id or b"%032x" % _getrandbits(128)
        path = head.path
        operation = admission.OPERATIONS.get(path)
        if operation is None:
            path = admission.path_of(path)
            operation = admission.OPERATIONS.get(path)
        self.speaks = operation or admission.speaks(head, path)
        if request.refusal is not None:  # not raised: its frames would refer to the request
            self._answer_refusal(request.refusal)
            return
        try:
            if operation is None or head.method != b"POST":
                self._answer(200, admission.elsewhere(self._proxy.live, head, path))
                return
            live = admission.in_force(self._proxy.live)
            policy, tenant, tier, data = admission.admit(live, request)
        except Refusal as refusal:
            self._answer_refusal(refusal)
            return
        if self._room.held > UNWEIGHED_BYTES and (too_much := self._weigh(data)) is not None:
            self._answer_refusal(too_much)
            return
        message = None
        if operation == "messages":
            message = translate(data)
            operation, data = "chat", message.chat
        exchange = Exchange(self, live, policy, tenant, operation, head, data, time.monotonic(), message)
        self._exchange = exchange
        try:
            exchange.start(tier)
        except Refusal as refusal:
            exchange.refuse(refusal)

    def _weigh(self, data: dict[str, Any]) -> Refusal | None:
        """Take room for what a body takes beyond its size, now that it is decoded.

        The refusal is not raised: its frames would refer to the body.
        """
        try:
            beyond = weight(data)
        except RecursionError:
            return too_complex()
        if beyond > MAX_WEIGHT:
            return too_complex()
        refusal = self._room.take(beyond, self._holds + beyond)
        if refusal is None:
            self._holds += beyond
        return refusal

    def _answer(self, status: int, content: bytes) -> None:
        """Answer what never becomes an exchange."""
        head = b"%bcontent-type: application/json\r\nx-request-id: %b\r\n" % (status_line(status), self.request_id)
        self.whole(head, content)
        self._log(status, "")
        self.finished()

    def _answer_refusal(self, refusal: Refusal) -> None:
        self._proxy.statistics.rejected("", refusal.code)
        self.refuse(refusal, b"x-request-id: %b\r\n" % self.request_id)
        self._log(refusal.status, refusal.code)
        self.finished()

    def _log(self, status: int, error: str) -> None:
        log = self._proxy.log
        if log.enabled:
            log.write(Entry(id=self.request_id.decode("latin-1"), status=status, error=error))

    def crash(self, exchange: Exchange | None) -> None:
        """Answering has failed by a defect of the router (call from ``except``): the client must not wait for ever."""
        _log.exception("cannot answer a request")
        if exchange is not self._exchange or not self._serving:
            return
        booked = False
        self._exchange = None
        if exchange is not None:
            try:
                booked = exchange.abandon(500, "internal_error")
            except Exception:
                _log.exception("cannot end a request")
        if self._closing:
            return
        if self._started and not self._ended:
            self.transport.abort()
            return
        refusal = Refusal(500, "internal_error", "The router failed to answer.", close=True)
        if self._ended:
            self._keep_alive = False
        elif booked:
            self.refuse(refusal, b"x-request-id: %b\r\n" % self.request_id)
        else:
            self._answer_refusal(refusal)
            return
        self.finished()

    def finished(self) -> None:
        """The request is over: serve the next one, or close."""
        self._give_back()
        self._exchange = None
        self._serving = False
        if self._closing:
            return
        if not self._keep_alive:
            self._close()
        else:
            self._continue()

    def _give_back(self) -> None:
        self._room.held -= self._holds
        self._holds = 0

    def _continue(self) -> None:
        """Go on with what waits, once the client has taken enough of the answers before."""
        if self.paused or self._closing:
            return
        reader = self._reader
        if reader.ready:
            # Not from here: a long pipeline would nest one call in the other.
            self._turns.later(self)
            return
        current = reader.current
        if self._reading_paused:
            self._reading_paused = False
            self._deadline.renew()
            self.transport.resume_reading()
        elif current is not None and current.head.expects:
            self._deadline.renew()  # its client may have waited for its turn
        if current is None:
            if self._proxy.draining:
                self._close()
                return
            self._deadline.renew()
            self._deadline.give(self._proxy.options.keep_alive)
        self._await_rest(0)

    def _await_rest(self, size: int) -> None:
        """Give the client time for the rest of what it has begun, and tell it where it waits to be told."""
        if self._closing or not self._deadline.advance(size) or self._serving or self.paused:
            return
        current = self._reader.current
        if current is not None and current.head.expects:
            self._outbox.send(self.transport, b"HTTP/1.1 100 Continue\r\n\r\n")

    # ends

    def _close(self) -> None:
        """Send what was written, then close; whatever the client still sends is thrown away meanwhile."""
        reader = self._reader
        unread = reader.deaf or reader.current is not None or bool(reader.ready) or self._reading_paused
        self._closing = True
        reader.abandon()
        if self._reading_paused:
            self._reading_paused = False
            self.transport.resume_reading()
        self._deadline.give(LINGER_SECONDS)
        if self.transport.is_closing():
            return
        self._outbox.flush()
        if unread:
            if self.transport.can_write_eof():  # TLS has no half of a connection: there the client closes, or time does
                self.transport.write_eof()
        else:
            self.transport.close()

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._serving and self._reader.current is None and not self._reader.ready

    def check(self, now: float) -> None:
        """Close connections whose client owes something for too long."""
        if self.paused and now - self.paused_since > self._proxy.options.body_timeout:
            self.transport.abort()
        elif self._serving or self.paused:
            # What was asked before is answered first; what is read behind it has no more time than anything else.
            if self._reader.current is not None and not self._closing and self._is_late(now):
                self._reader.give_up(_too_slow())
        elif not self._is_late(now):
            return
        elif self._closing:
            self.transport.abort()
        elif self._reader.current is None:
            self._close()
        else:
            self._reader.give_up(_too_slow())
            self.serve_next()

    def _is_late(self, now: float) -> bool:
        return self._deadline.has_passed(now, not self._reading_paused)


def _too_slow() -> Refusal:
    return Refusal(408, "request_timeout", "The request came too slowly.", close=True)
