"""Reading requests: strict framing, bounds on everything, and no byte trusted after the first that cannot be.

The parser's callbacks only read; what follows from a request happens after they have returned, so that a defect there
cannot be taken for malformed input.
"""

import logging
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from typing import Any

import httptools

from signalbox.router.options import ProxyOptions
from signalbox.router.wire.errors import Refusal
from signalbox.router.wire.heads import Head, Repetition
from signalbox.router.wire.room import Room

MAX_HEADERS = 128
# Framing of a body (chunk sizes and extensions, trailers) may be this many times the body, beyond the bound of headers.
MAX_FRAMING = 8
# A client whose heads differ so often, by an id of each request say, gains nothing from remembering them.
MAX_MISSES = 4

_ONCE = frozenset((b"authorization", b"content-length", b"content-type", b"host", b"transfer-encoding", b"x-api-key"))

_log = logging.getLogger(__name__)


class Owed(IntEnum):
    """What a client has begun to send and must finish."""

    NOTHING = 0
    HEAD = 1
    BODY = 2


class Request:
    """A request as read. ``refusal`` is set where it must not be served."""

    __slots__ = ("body", "head", "refusal")

    def __init__(self, head: Head, body: bytes | bytearray = b"") -> None:
        self.head = head
        self.body = body
        self.refusal: Refusal | None = None


Gate = Callable[[Head, bool], Refusal | None]


class RequestReader:
    """Bytes in, requests out: ``ready`` holds, in order, those that can be answered.

    ``current`` is the one being read. ``gate`` is asked when a head is complete, with whether a body follows, and may
    turn the request away before its body is read. After a refusal nothing more is read (``deaf``).

    Bodies take ``room``; whoever takes a request out of ``ready`` gives back that of its body.

    A head that repeats the one before it, and its body, bypass the parser, which stays between two messages meanwhile.
    """

    __slots__ = (
        "_body_raw",
        "_declared",
        "_gate",
        "_head_raw",
        "_misses",
        "_missing",
        "_options",
        "_parser",
        "_raw",
        "_repeated",
        "_repetition",
        "_room",
        "_taken",
        "current",
        "deaf",
        "in_head",
        "ready",
    )

    def __init__(self, options: ProxyOptions, gate: Gate, room: Room) -> None:
        self._options = options
        self._room = room
        self._taken = 0  # room for the body that is being read
        self._declared = 0  # its length, where its head says it
        self._gate = gate
        self._parser: Any = httptools.HttpRequestParser(self)  # refers back to this
        self._head_raw = 0
        self._body_raw = 0
        self._raw = b""  # the read that is being parsed, while the head that it begins with is not complete
        self._missing = 0  # bytes of the body of a repeated head that must still come
        self._misses = 0
        self._repeated = 0  # lines of the head whose name was there before
        self._repetition: Repetition | None = None
        self.ready: deque[Request] = deque()
        self.current: Request | None = None
        self.in_head = True
        self.deaf = False

    @property
    def owed(self) -> Owed:
        """What must still come."""
        if self.current is None:
            return Owed.NOTHING
        return Owed.HEAD if self.in_head else Owed.BODY

    @property
    def taken(self) -> int:
        """Room that the body takes that is being read."""
        return self._taken

    @property
    def received(self) -> int:
        """How much of it is here."""
        return len(self._body())

    @property
    def waiting_bytes(self) -> int:
        """Size of the bodies that wait to be served."""
        return sum(len(request.body) for request in self.ready)

    def feed(self, data: bytes) -> None:
        """Read; refusals appear in ``ready``, too."""
        if self.deaf:
            return
        if self._missing:
            data = self._fill(data)
        while self._repetition is not None and self.current is None and not self._head_raw and data:
            found = self._repetition.match(data)
            if found is None:
                self._misses += 1
                self._repetition = None
            else:
                data = self._repeat(self._repetition.head, data, *found)
        if data and not self.deaf:
            self._read(data)

    def _repeat(self, head: Head, data: bytes, start: int, length: int) -> bytes:
        """A request whose head came again; returns what follows it in ``data``."""
        request = Request(head)
        refusal = self._gate(head, length > 0)
        if refusal is None:
            refusal = self._too_large() if length > self._options.max_body_bytes else self._room.take(length, length)
        if refusal is not None:
            self.current = request
            self.give_up(refusal)
            return b""
        end = start + length
        if len(data) < end:
            request.body = data[start:]
            self.current = request
            self.in_head = False
            self._taken = length
            self._missing = end - len(data)
            return b""
        request.body = data[start:end]
        self.ready.append(request)
        return data[end:]

    def _fill(self, data: bytes) -> bytes:
        """The rest of a body whose head came again; returns what follows it in ``data``."""
        piece = data[: self._missing]
        self._missing -= len(piece)
        self._append(piece)
        if not self._missing:
            self._finish()
        return data[len(piece) :]

    def _read(self, data: bytes) -> None:
        if self.in_head:
            self._raw = b"" if self.current is not None or self._head_raw else data
            self._head_raw += len(data)
        else:
            self._body_raw += len(data)
        try:
            self._parse(data)
        except httptools.HttpParserCallbackError as failed:
            cause = failed.__context__
            if not isinstance(cause, Refusal):
                _log.error("cannot read a request", exc_info=cause or failed)
                cause = Refusal(500, "internal_error", "The router failed to read the request.", close=True)
            self.give_up(cause.with_traceback(None))  # its frames refer to this
        except httptools.HttpParserError as error:
            self.give_up(malformed(f"Malformed HTTP: {error}."))
        else:
            if self.in_head:
                # What of this read was body is not in the head: only a head that is still open can be too large.
                if self._head_raw > self._options.max_header_bytes:
                    self.give_up(_head_too_large())
            elif self._body_raw > self._options.max_header_bytes + MAX_FRAMING * len(self._body()):
                self.give_up(malformed("The framing of the body is larger than the body."))
        self._raw = b""

    def _body(self) -> bytes | bytearray:
        return self.current.body if self.current is not None else b""

    def _parse(self, data: bytes | memoryview) -> None:
        while True:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = memoryview(data)[upgrade.args[0] :]
            else:
                return
            self._begin_without_upgrade()

    def _begin_without_upgrade(self) -> None:
        """Read a head again without its wish for another protocol, which may be ignored (RFC 9110, section 7.8).

        Java's own client asks for h2c with every first request. The parser cannot ignore it: to llhttp, what follows
        is the other protocol.
        """
        assert self.current is not None
        head = self.current.head
        headers = head.headers
        headers.pop(b"upgrade", None)
        tokens = [token.strip() for token in headers.pop(b"connection", b"").split(b",")]
        headers[b"connection"] = b", ".join(token for token in tokens if token.lower() != b"upgrade")
        lines = b"".join(b"%b: %b\r\n" % item for item in headers.items())
        self._parser = httptools.HttpRequestParser(self)
        self.in_head = True
        self._parser.feed_data(
            b"%b %b HTTP/%b\r\n%b\r\n" % (head.method, head.path, b"1.1" if head.chunks else b"1.0", lines)
        )

    def give_up(self, refusal: Refusal) -> None:
        """Read no more; ``refusal`` answers the request that is being read."""
        request = self.current if self.current is not None else Request(Head())
        request.refusal = refusal
        request.body = b""
        self._room.held -= self._taken
        self._taken = 0
        self.current = None
        self.deaf = True
        self.ready.append(request)

    def abandon(self) -> None:
        """Forget everything that was read."""
        self._room.held -= self._taken + self.waiting_bytes
        self._taken = 0
        self.ready.clear()

    def close(self) -> None:
        """Forget all, and those who refer back to it: a connection is not to wait for the collector of garbage.

        The collector looks at what lives long only after many new objects, and thousands of connections may close at
        once.
        """
        self.abandon()
        self.deaf = True
        self._parser = None
        self._gate = _closed

    # httptools

    def on_message_begin(self) -> None:
        """A new request."""
        self.current = Request(Head())
        self._repeated = 0

    def on_url(self, url: bytes) -> None:
        """A part of the request target."""
        assert self.current is not None
        self.current.head.path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; trailers change nothing. Raises ``Refusal``."""
        if not self.in_head:
            return
        assert self.current is not None
        headers = self.current.head.headers
        name = name.lower()
        value = value.rstrip(b" \t")  # the parser takes away what stands before it only
        if name in headers:
            if name in _ONCE:
                raise malformed(f"Repeated header {name.decode()}.")
            headers[name] += b", " + value
            self._repeated += 1
        else:
            headers[name] = value
        if len(headers) + self._repeated > MAX_HEADERS:
            raise Refusal(431, "header_too_large", "Too many headers.", close=True)

    def on_headers_complete(self) -> None:
        """Everything that can be refused without the body is refused now. Raises ``Refusal``."""
        assert self.current is not None
        head = self.current.head
        headers = head.headers
        parser = self._parser
        head.method = parser.get_method()
        if self._head_raw > self._options.max_header_bytes:
            size = len(head.path) + sum(len(name) + len(value) + 4 for name, value in headers.items())
            if size > self._options.max_header_bytes:
                raise _head_too_large()
        self.in_head = False
        self._head_raw = 0
        self._body_raw = 0
        head.keep_alive = parser.should_keep_alive()
        if not head.keep_alive:
            self._repetition = None  # to the parser, whatever comes after this request is malformed
        version = parser.get_http_version()
        if version != "1.1":
            if version != "1.0":
                raise Refusal(505, "http_version", "Only HTTP/1.1 and HTTP/1.0 are spoken here.", close=True)
            head.chunks = False
        if parser.should_upgrade():
            if head.method == b"CONNECT":
                raise Refusal(400, "not_a_proxy", "CONNECT is not supported.", close=True)
            self._raw = b""
            return
        count = len(headers)
        has_body = self._check_framing(head)
        head.complete()
        refusal = self._gate(head, has_body)
        if refusal is None and self._declared:
            refusal = self._room.take(self._declared, self._declared)
            if refusal is None:
                self._taken = self._declared
        if refusal is not None:
            raise refusal
        if b"expect" in headers:
            if headers[b"expect"].lower() != b"100-continue":
                raise Refusal(417, "expectation_failed", "Only 100-continue can be expected.", close=True)
            head.expects = head.chunks and has_body
        elif self._raw and has_body and head.chunks and head.keep_alive and self._misses < MAX_MISSES:
            self._repetition = Repetition.of(head, self._raw, count)
        self._raw = b""

    def _check_framing(self, head: Head) -> bool:
        """Whether a body follows. Raises ``Refusal`` for what could be read in two ways, or is too large."""
        headers = head.headers
        self._declared = 0
        if head.chunks and b"host" not in headers:
            raise malformed("The Host header is missing.")
        coding = headers.get(b"transfer-encoding")
        if coding is not None:
            if coding.lower() != b"chunked" or not head.chunks:
                raise malformed("Only chunked transfer coding is understood.")
            return True
        # A length belongs to one body, a head to all that repeat it.
        length = int(headers.pop(b"content-length", b"0"))
        if length > self._options.max_body_bytes:
            raise self._too_large()
        self._declared = length
        return length > 0

    def on_body(self, body: bytes) -> None:
        """A piece of the body. Raises ``Refusal``."""
        self._append(body)
        size = len(self._body())
        if size > self._options.max_body_bytes:
            raise self._too_large()
        if size > self._taken:
            refusal = self._room.take(size - self._taken, size)
            if refusal is not None:
                raise refusal
            self._taken = size

    def on_message_complete(self) -> None:
        """The request is whole."""
        if not self._parser.should_upgrade():
            self._finish()

    def _append(self, piece: bytes) -> None:
        request = self.current
        assert request is not None
        whole = request.body
        if not whole:
            request.body = piece
        elif isinstance(whole, bytearray):
            whole += piece
        else:
            # One buffer: a body that comes in tiny chunks must not cost many times its size.
            request.body = whole = bytearray(whole)
            whole += piece

    def _finish(self) -> None:
        request = self.current
        assert request is not None
        self.current = None
        self.in_head = True
        self._taken = 0  # from here on it is the request's
        self.ready.append(request)

    def _too_large(self) -> Refusal:
        limit = self._options.max_body_bytes
        return Refusal(413, "request_too_large", f"The request body is larger than {limit} bytes.", close=True)


def _closed(head: Head, has_body: bool) -> Refusal | None:
    return None


def malformed(message: str) -> Refusal:
    """A request whose framing cannot be trusted."""
    return Refusal(400, "malformed_request", message, close=True)


def _head_too_large() -> Refusal:
    return Refusal(431, "header_too_large", "The request's headers are too large.", close=True)
