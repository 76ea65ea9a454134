"""One connection of a client: strict framing in, answers out, one request at a time in the order they came."""

import asyncio
import random
import re
import time
from collections import deque
from typing import TYPE_CHECKING, Any, cast

import httptools
import msgspec

from signalbox.router.errors import Refusal, status_line
from signalbox.router.exchange import Exchange

if TYPE_CHECKING:
    from signalbox.router.proxy import Proxy

OPERATIONS = {
    b"/v1/chat/completions": "chat",
    b"/v1/completions": "completions",
    b"/v1/embeddings": "embeddings",
    b"/v1/responses": "responses",
}
MAX_PIPELINED = 8
MAX_HEADERS = 128

_decode = msgspec.json.Decoder().decode
_getrandbits = random.getrandbits
_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}\Z").match
_ONCE = frozenset((b"authorization", b"content-length", b"content-type", b"host", b"transfer-encoding", b"x-api-key"))


class _Request:
    """A request as parsed; ``refusal`` is set where it must not be served."""

    __slots__ = ("body", "headers", "keep_alive", "method", "path", "refusal")

    def __init__(self) -> None:
        self.headers: dict[bytes, bytes] = {}
        self.body: list[bytes] = []
        self.path = b""
        self.method = b""
        self.keep_alive = True
        self.refusal: Refusal | None = None


class ClientConnection(asyncio.Protocol):
    """See the module. ``paused`` says that the client reads more slowly than answers come."""

    __slots__ = (
        "_body_bytes",
        "_closing",
        "_complete",
        "_exchange",
        "_head_bytes",
        "_in_head",
        "_keep_alive",
        "_parser",
        "_pending",
        "_proxy",
        "_reading_paused",
        "_request",
        "_serving",
        "_sized",
        "chunks",
        "deadline",
        "paused",
        "paused_since",
        "request_id",
        "transport",
    )

    def __init__(self, proxy: "Proxy") -> None:
        self._proxy = proxy
        self._parser = httptools.HttpRequestParser(self)
        self._request = _Request()
        self._pending: deque[_Request] = deque()
        self._exchange: Exchange | None = None
        self._serving = False
        self._in_head = True
        self._head_bytes = 0
        self._body_bytes = 0
        self._closing = False
        self._complete = True
        self._keep_alive = True
        self._reading_paused = False
        self._sized = False
        self.chunks = True
        self.paused = False
        self.paused_since = 0.0
        self.request_id = b""
        # Monotonic seconds by which the client must have sent what is due; 0 while it owes nothing.
        self.deadline = 0.0

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self.transport = cast("asyncio.Transport", transport)
        self.deadline = time.monotonic() + self._proxy.options.keep_alive
        self._proxy.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has left: what it asked for is not wanted any more."""
        self._closing = True
        self._pending.clear()
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.abandon()
        self._proxy.closed(self)

    def data_received(self, data: bytes) -> None:
        """Parse a read."""
        if self._closing:
            return
        if self._complete:
            self._complete = False
            self._head_bytes = 0
            if not self._serving:
                self.deadline = time.monotonic() + self._proxy.options.header_timeout
        if self._in_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._reject(Refusal(400, "upgrade_not_supported", "Protocol upgrades are not supported.", close=True))
        except httptools.HttpParserError as error:
            self._reject(Refusal(400, "malformed_request", f"Malformed HTTP: {error}.", close=True))
        else:
            # What of this read was body is not in the head: only a head that is still open can be too large.
            if self._in_head and not self._complete and self._head_bytes > self._proxy.options.max_header_bytes:
                self._reject(Refusal(431, "header_too_large", "The request's headers are too large.", close=True))

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

    # httptools

    def on_message_begin(self) -> None:
        """A new request."""
        self._request = _Request()
        self._in_head = True
        self._body_bytes = 0
        self._complete = False

    def on_url(self, url: bytes) -> None:
        """A part of the request target."""
        self._request.path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; trailers change nothing."""
        if not self._in_head:
            return
        headers = self._request.headers
        name = name.lower()
        if name in headers:
            if name in _ONCE:
                self._refuse_request(Refusal(400, "malformed_request", f"Repeated header {name.decode()}.", close=True))
            headers[name] += b", " + value
        else:
            headers[name] = value
            if len(headers) > MAX_HEADERS:
                self._refuse_request(Refusal(431, "header_too_large", "Too many headers.", close=True))

    def on_headers_complete(self) -> None:
        """Everything that can be refused without the body is refused now."""
        request = self._request
        self._in_head = False
        request.method = self._parser.get_method()
        version = self._parser.get_http_version()
        request.keep_alive = self._parser.should_keep_alive()
        headers = request.headers
        if b"x-signalbox-http10" in headers:
            del headers[b"x-signalbox-http10"]
        if version == "1.0":
            headers[b"x-signalbox-http10"] = b"1"
        if request.refusal is None:
            request.refusal = self._early_refusal(request, version)
        if request.refusal is not None:
            return
        if not self._serving:
            self.deadline = time.monotonic() + self._proxy.options.body_timeout
        if b"expect" in headers:
            if headers[b"expect"].lower() != b"100-continue":
                request.refusal = Refusal(417, "expectation_failed", "Only 100-continue can be expected.", close=True)
            elif not self._serving and version == "1.1":
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        request = self._request
        if request.refusal is not None:
            return
        self._body_bytes += len(body)
        if self._body_bytes > self._proxy.options.max_body_bytes:
            self._refuse_request(self._too_large())
            return
        request.body.append(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._in_head = True
        self._complete = True
        request = self._request
        if self._serving:
            self._pending.append(request)
            if len(self._pending) >= MAX_PIPELINED and not self._reading_paused:
                self._reading_paused = True
                self.transport.pause_reading()
        else:
            self._serve(request)

    # refusing

    def _too_large(self) -> Refusal:
        limit = self._proxy.options.max_body_bytes
        return Refusal(413, "request_too_large", f"The request body is larger than {limit} bytes.", close=True)

    def _early_refusal(self, request: _Request, version: str) -> Refusal | None:
        headers = request.headers
        if version not in {"1.1", "1.0"}:
            return Refusal(505, "http_version", "Only HTTP/1.1 and HTTP/1.0 are spoken here.", close=True)
        if version == "1.1" and b"host" not in headers:
            return Refusal(400, "malformed_request", "The Host header is missing.", close=True)
        coding = headers.get(b"transfer-encoding")
        if coding is not None and (coding.lower() != b"chunked" or version == "1.0"):
            return Refusal(400, "malformed_request", "Only chunked transfer coding is understood.", close=True)
        length = headers.get(b"content-length")
        if length is not None and int(length) > self._proxy.options.max_body_bytes:
            return self._too_large()
        live = self._proxy.live
        if live is not None and live.closed and request.path.startswith(b"/v1/"):
            key = _key_of(headers)
            if not live.keys.known(key):
                return _unauthorized(key, close=length not in {None, b"0"} or coding is not None)
        return None

    def _refuse_request(self, refusal: Refusal) -> None:
        """Remember why a request cannot be served; while its body still comes, answer at once."""
        request = self._request
        if request.refusal is None:
            request.refusal = refusal
        if not self._in_head and not self._serving:
            self._serve(request)

    def _reject(self, refusal: Refusal) -> None:
        """Framing is lost: answer what can be answered, then close."""
        if self._serving:
            request = _Request()
            request.refusal = refusal
            self._pending.append(request)
        else:
            self._answer_refusal(refusal, b"")

    def refuse(self, refusal: Refusal, lines: bytes) -> None:
        """Send an error object."""
        if refusal.close:
            self._keep_alive = False
        self.whole(status_line(refusal.status) + refusal.head() + lines, refusal.body())

    def _answer_refusal(self, refusal: Refusal, lines: bytes) -> None:
        self._proxy.statistics.rejected("", refusal.code)
        self._serving = True
        self.refuse(refusal, lines)
        self.finished()

    # serving

    def _serve(self, request: _Request) -> None:
        self._serving = True
        self.deadline = 0.0
        headers = request.headers
        self._keep_alive = request.keep_alive and not self._proxy.draining
        self.chunks = headers.pop(b"x-signalbox-http10", None) is None
        given = headers.get(b"x-request-id")
        self.request_id = given if given is not None and _REQUEST_ID(given) else b"%032x" % _getrandbits(128)
        try:
            if request.refusal is not None:
                raise request.refusal
            operation = OPERATIONS.get(request.path)
            if operation is None or request.method != b"POST":
                self._serve_other(request)
                return
            exchange = self._admit(request, operation)
        except Refusal as refusal:
            if not self._complete:
                refusal.close = True  # the body was not read: what follows on this connection cannot be told from it
            self._answer_refusal(refusal, b"x-request-id: %b\r\n" % self.request_id)
            return
        self._exchange = exchange[0]
        try:
            exchange[0].start(exchange[1])
        except Refusal as refusal:
            exchange[0]._failure = refusal
            exchange[0]._give_up()

    def _admit(self, request: _Request, operation: str) -> tuple[Exchange, str]:
        """Read the body and find policy and tenant. Raises ``Refusal``."""
        live = self._proxy.live
        if live is None:
            raise Refusal(503, "not_ready", "The router has no configuration yet.", retry_after=1)
        headers = request.headers
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise Refusal(415, "unsupported_encoding", "Send the body without Content-Encoding.")
        try:
            data = _decode(request.body[0] if len(request.body) == 1 else b"".join(request.body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refusal(400, "invalid_json", f"The body is not valid JSON: {error}.") from None
        if not isinstance(data, dict):
            raise Refusal(400, "invalid_json", "The body must be a JSON object.")
        model = data.get("model")
        if not isinstance(model, str) or not model:
            raise Refusal(400, "missing_model", "The field model must name a model.", param="model")
        if not isinstance(data.get("stream", False), bool | None):
            raise Refusal(400, "invalid_type", "The field stream must be true or false.", param="stream")
        policy = live.by_model.get(model)
        key = _key_of(headers)
        tenant = live.keys.tenant(policy.name, key) if policy is not None and key else None
        if policy is None or (tenant is None and not policy.config.access.anonymous):
            if not live.keys.known(key) and (live.closed or policy is not None):
                raise _unauthorized(key, close=False)
            raise Refusal(
                404,
                "model_not_found",
                f"The model {model!r} does not exist or you have no access to it.",
                param="model",
            )
        name, tier = (tenant.name, tenant.tier) if tenant is not None else ("", "")
        return Exchange(self, live, policy, name, operation, headers, data, time.monotonic()), tier

    def _serve_other(self, request: _Request) -> None:
        path, method = request.path.split(b"?", 1)[0], request.method
        if path in OPERATIONS and path != request.path and method == b"POST":
            request.path = path
            self._serve(request)
            return
        if path in OPERATIONS:
            raise Refusal(405, "method_not_allowed", "Use POST here.", allow="POST")
        if path.startswith(b"/v1/responses/"):
            raise Refusal(
                404,
                "not_stored",
                "Responses are kept by the endpoint that made them and cannot be fetched or deleted here.",
            )
        if path != b"/v1/models" and not path.startswith(b"/v1/models/"):
            raise Refusal(404, "unknown_path", f"There is nothing at {path[:200].decode('ascii', 'replace')}.")
        if method != b"GET":
            raise Refusal(405, "method_not_allowed", "Use GET here.", allow="GET")
        live = self._proxy.live
        if live is None:
            raise Refusal(503, "not_ready", "The router has no configuration yet.", retry_after=1)
        key = _key_of(request.headers)
        models = live.keys.models(key)
        if not models or (key and not live.keys.known(key) and live.closed):
            raise _unauthorized(key, close=False)
        self._send_models(path, models)

    def _send_models(self, path: bytes, models: tuple[str, ...]) -> None:
        cards: list[dict[str, Any]] = [
            {"id": model, "object": "model", "created": 0, "owned_by": "signalbox"} for model in models
        ]
        content: Any = {"object": "list", "data": cards}
        if path != b"/v1/models":
            name = path[len(b"/v1/models/") :].decode("utf-8", "replace")
            content = next((card for card in cards if card["id"] == name), None)
            if content is None:
                raise Refusal(404, "model_not_found", f"The model {name!r} does not exist or you have no access to it.")
        head = b"%bcontent-type: application/json\r\nx-request-id: %b\r\n" % (status_line(200), self.request_id)
        self.whole(head, msgspec.json.encode(content))
        self.finished()

    # answering: called by exchanges

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.transport.write(data)

    def whole(self, head: bytes, content: bytes) -> None:
        """Send an answer in one write; ``head`` is status line and headers without framing."""
        connection = b"" if self._keep_alive and self.chunks else self._connection_line()
        self.transport.write(b"%b%bcontent-length: %d\r\n\r\n%b" % (head, connection, len(content), content))

    def begin(self, head: bytes, length: bytes | None) -> None:
        """Send the head of an answer whose parts follow; without a length the parts are chunks."""
        self._sized = length is not None
        if length is not None:
            framing = b"content-length: %b\r\n" % length
        elif self.chunks:
            framing = b"transfer-encoding: chunked\r\n"
        else:
            framing = b""
            self._keep_alive = False
        connection = b"" if self._keep_alive and self.chunks else self._connection_line()
        self.transport.write(b"%b%b%b\r\n" % (head, connection, framing))

    def part(self, data: bytes) -> None:
        """Send a part of the body."""
        if self.chunks and not self._sized:
            self.transport.write(b"%x\r\n%b\r\n" % (len(data), data))
        else:
            self.transport.write(data)

    def end(self) -> None:
        """The body is complete."""
        if self.chunks and not self._sized:
            self.transport.write(b"0\r\n\r\n")

    def cut(self) -> None:
        """The body stays incomplete: only the end of the connection can tell the client."""
        self._keep_alive = False

    def finished(self) -> None:
        """The request is over: serve the next one, or close."""
        self._exchange = None
        self._serving = False
        if self._closing:
            return
        if not self._keep_alive:
            self._closing = True
            self._pending.clear()
            self.transport.close()
            return
        if self._pending:
            # Not from here: a long pipeline would nest one call in the other.
            asyncio.get_running_loop().call_soon(self._next)
            self._serving = True
            return
        if self._reading_paused:
            self._reading_paused = False
            self.transport.resume_reading()
        if self._proxy.draining and self._complete:
            self._closing = True
            self.transport.close()
            return
        options = self._proxy.options
        self.deadline = time.monotonic() + (options.keep_alive if self._complete else options.header_timeout)

    def _next(self) -> None:
        if not self._closing and self._pending:
            self._serve(self._pending.popleft())

    def _connection_line(self) -> bytes:
        return b"connection: keep-alive\r\n" if self._keep_alive else b"connection: close\r\n"

    # time

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._serving and self._complete

    def check(self, now: float) -> None:
        """Close connections whose client owes something for too long."""
        if self.paused and now - self.paused_since > self._proxy.options.body_timeout:
            self.transport.abort()
        elif not self._serving and 0.0 < self.deadline < now:
            if self._complete:
                self._closing = True
                self.transport.close()
            else:
                self._answer_refusal(Refusal(408, "request_timeout", "The request came too slowly.", close=True), b"")


def _key_of(headers: dict[bytes, bytes]) -> bytes:
    """The key that a client presents: ``Authorization: Bearer`` or ``x-api-key``."""
    value = headers.get(b"authorization")
    if value is not None and value[:7].lower() == b"bearer ":
        return value[7:].strip()
    return headers.get(b"x-api-key", b"").strip()


def _unauthorized(key: bytes, *, close: bool) -> Refusal:
    if key:
        return Refusal(401, "invalid_api_key", "Incorrect API key provided.", close=close)
    message = "No API key provided. Send it as Authorization: Bearer KEY, or as x-api-key."
    return Refusal(401, "missing_api_key", message, close=close)
