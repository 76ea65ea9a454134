"""One connection to an endpoint: parses responses and hands them to the attempt that it serves.

Nothing here waits: the protocol calls the attempt directly, once per read, with what that read brought.
"""

import asyncio
from typing import Any, Protocol, cast

import httptools

from signalbox.router.wire.outbox import Outbox

# Of a head, with the interim ones before it; and of what is framing only, such as trailers, in one piece.
MAX_HEAD_BYTES = 64 << 10
_CODING = b"transfer-encoding"


class Malformed(Exception):  # noqa: N818 - said of a response
    """A response that the parser would take, and the router does not."""


class Receiver(Protocol):
    """What a connection serves: one attempt at a time."""

    def received(self, raw: bytes) -> None:
        """A read was parsed; see the connection's fields for what it brought."""

    def lost(self, reason: str) -> None:
        """The connection ended or broke its protocol before the response was complete."""

    def crashed(self) -> None:
        """One of the above has raised what it should not have (called from ``except``): end by any means."""


class Through:
    """Who may pass on what it receives as it came. A base, not a protocol: compiled, calls need no lookup."""

    __slots__ = ()

    def passes(self, raw: bytes) -> bool:
        """A read, not parsed yet. True: it was whole chunks of the body, and was passed on; no parser is to see it."""
        raise NotImplementedError


class UpstreamConnection:
    """The router's side of a connection to an endpoint: an ``asyncio.Protocol`` in all but its base.

    A class with a base that is not compiled could not be compiled itself.

    After each read: ``head_done``, ``done`` (the message is complete), ``pieces`` (body bytes of this read, with
    chunk framing removed; the receiver empties it), ``status`` and ``headers`` (names in lower case). Until the end of
    a response, ``through`` is asked first.
    """

    __slots__ = (
        "done",
        "excess",
        "head_bytes",
        "head_done",
        "headers",
        "idle_since",
        "outbox",
        "parser",
        "persistent",
        "pieces",
        "receiver",
        "reused",
        "status",
        "through",
        "transport",
    )

    def __init__(self, outbox: Outbox | None = None) -> None:
        self.outbox = outbox or Outbox()
        self.receiver: Receiver | None = None
        self.reused = False
        self.idle_since = 0.0
        self.pieces: list[bytes] = []
        self.parser: Any = None
        self.renew()

    def renew(self) -> None:
        """Forget the last response."""
        self.head_done = False
        self.done = False
        self.excess = False
        self.persistent = False
        self.status = 0
        self.head_bytes = 0
        self.headers: dict[bytes, bytes] = {}
        self.pieces.clear()
        self.through: Through | None = None

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self.transport = cast("asyncio.Transport", transport)
        # It refers back to this until the connection is lost: neither is to wait for the collector of garbage.
        self.parser = httptools.HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        """Parse a read and hand it on."""
        receiver = self.receiver
        if receiver is None:  # bytes that nobody asked for: the framing can no longer be trusted
            self.transport.abort()
            return
        through = self.through
        if through is not None:
            try:
                if through.passes(data):
                    return
            except Exception:
                self._crash(receiver)
                return
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            cause = error.__context__
            self._give_up(f"malformed response: {cause if isinstance(cause, Malformed) else error}")
            return
        if self.pieces:
            self.head_bytes = 0
        elif not self.done:
            self.head_bytes += len(data)
            if self.head_bytes > MAX_HEAD_BYTES:
                self._give_up("too many bytes around the body" if self.head_done else "response head too large")
                return
        try:
            receiver.received(data)
        except Exception:
            self._crash(receiver)

    def eof_received(self) -> None:
        """The endpoint will send no more; a body that only the end of the connection delimits is now complete."""
        receiver = self.receiver
        if receiver is not None and self.head_done and not self.done and self._close_delimited():
            self.done = True
            self.excess = True  # never reused
            try:
                receiver.received(b"")
            except Exception:
                self._crash(receiver)

    def connection_lost(self, exc: Exception | None) -> None:
        """Closed by either side."""
        self._lose("connection lost" if exc else "connection closed")
        self.parser = None

    def _give_up(self, reason: str) -> None:
        self.transport.abort()
        self._lose(reason)

    def _lose(self, reason: str) -> None:
        receiver, self.receiver = self.receiver, None
        if receiver is not None:
            try:
                receiver.lost(reason)
            except Exception:
                receiver.crashed()

    def _crash(self, receiver: Receiver) -> None:
        self.receiver = None
        self.transport.abort()
        receiver.crashed()

    def pause_writing(self) -> None:
        """A request body is bounded and already in memory: nothing to pause."""

    def resume_writing(self) -> None:
        """See ``pause_writing``."""

    def send(self, request: bytes) -> None:
        """With what else this turn of the loop has to send."""
        self.outbox.send(self.transport, request)

    # httptools

    def on_message_begin(self) -> None:
        """A second response to one request is smuggling or a broken peer: nothing of it is read."""
        if self.done:
            self.excess = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; trailers are dropped, repeated headers joined as RFC 9110, section 5.2 allows."""
        if self.head_done:
            return
        name = name.lower()
        value = value.rstrip(b" \t")
        headers = self.headers
        headers[name] = headers[name] + b", " + value if name in headers else value

    def on_headers_complete(self) -> None:
        """The head is whole, unless it is an interim one. Raises ``Malformed``."""
        if self.excess:
            return
        status = self.parser.get_status_code()
        if status < 200:
            if status < 100:
                raise Malformed("no status")
            self.headers = {}
            return
        if _CODING in self.headers and self.headers[_CODING].lower() != b"chunked":
            raise Malformed("a transfer coding that nobody asked for")
        self.status = status
        self.head_done = True

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        if not self.excess:
            self.pieces.append(body)

    def on_message_complete(self) -> None:
        """The response is whole, unless it was an interim one."""
        if self.head_done and not self.excess:
            self.done = True
            self.persistent = self.parser.should_keep_alive()  # llhttp forgets it right after this call

    # for the pool and the attempt

    @property
    def reusable(self) -> bool:
        """Whether another request may follow the complete response."""
        return self.done and not self.excess and self.persistent and not self.transport.is_closing()

    def _close_delimited(self) -> bool:
        return b"content-length" not in self.headers and _CODING not in self.headers
