"""A proxy inside the test's own loop, scripted upstreams beside it, and clients that speak raw bytes."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from configs import backend, config, policy, tenant  # noqa: F401 - tests find everything in one place

from signalbox.router.options import ProxyOptions
from signalbox.router.serving.client import ClientConnection
from signalbox.router.serving.proxy import Proxy
from signalbox.router.telemetry.accesslog import AccessLog
from signalbox.router.telemetry.statistics import Statistics
from signalbox.routing.config import Address, RouterConfig, encode
from waiting import until

# No test decides by time: this only ends one that would hang.
PATIENCE = 10.0
CHAT = "/v1/chat/completions"
T = TypeVar("T")


async def within(awaitable: Awaitable[T]) -> T:
    """Await, but not for ever."""
    async with asyncio.timeout(PATIENCE):
        return await awaitable


@dataclass
class Message:
    """A request or a response as it came. ``headers`` keep order and repetitions; names are in lower case."""

    line: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""

    @property
    def status(self) -> int:
        return int(self.line.split(b" ")[1])

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def code(self) -> str:
        """The code of an error object."""
        return str(self.json["error"]["code"])

    def all(self, name: str) -> list[bytes]:
        return [value for key, value in self.headers if key == name.encode()]

    def header(self, name: str) -> bytes | None:
        values = self.all(name)
        assert len(values) <= 1, f"{name} is repeated: {values}"
        return values[0] if values else None


async def read_message(reader: asyncio.StreamReader, *, until_close: bool = False, head_only: bool = False) -> Message:
    """Read one message; strict about framing, so that what the router sends is checked on the way."""
    head = await reader.readuntil(b"\r\n\r\n")
    line, *lines = head[:-4].split(b"\r\n")
    headers = []
    for each in lines:
        name, colon, value = each.partition(b":")
        assert colon, head
        headers.append((name.lower(), value.strip()))
    message = Message(line, headers)
    length, coding = message.header("content-length"), message.header("transfer-encoding")
    assert length is None or coding is None, head
    if head_only:
        return message
    if coding is not None:
        assert coding == b"chunked"
        pieces = []
        while size := int(await reader.readuntil(b"\r\n"), 16):
            pieces.append(await reader.readexactly(size))
            assert await reader.readexactly(2) == b"\r\n"
        assert await reader.readexactly(2) == b"\r\n"
        message.body = b"".join(pieces)
    elif length is not None:
        message.body = await reader.readexactly(int(length))
    elif until_close:
        message.body = await reader.read()
    return message


# upstreams


def response(status: int, body: bytes | Mapping[str, Any], *headers: str) -> bytes:
    """A unary response."""
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    lines = "".join(f"{line}\r\n" for line in ("content-type: application/json", *headers))
    return f"HTTP/1.1 {status} X\r\n{lines}content-length: {len(content)}\r\n\r\n".encode() + content


def completion(text: str = "hello") -> dict[str, Any]:
    """The body of a chat completion."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }


def chunk(data: bytes) -> bytes:
    """A chunk of the chunked coding; of nothing, the last one."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(delta: Mapping[str, Any] | None = None, **fields: Any) -> bytes:
    """An event of a chat stream."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": None}]
    return b"data: %b\n\n" % msgspec.json.encode(
        {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": choices, **fields}
    )


STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
DONE = b"data: [DONE]\n\n"

Script = Callable[[Message, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Upstream:
    """A server that answers with scripted bytes, and remembers what it got.

    ``replies`` are used up first, then ``reply`` for ever. A reply is bytes, or an async function of request, reader
    and writer. A connection stays open after a reply unless the reply closes it.
    """

    def __init__(self, name: str = "engine") -> None:
        self.name = name
        self.reply: bytes | Script = response(200, completion(name))
        self.replies: deque[bytes | Script] = deque()
        self.requests: list[Message] = []
        self.accepted = 0
        self.closed = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self, port: int = 0) -> "Upstream":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.address = Address(host="127.0.0.1", port=self._server.sockets[0].getsockname()[1])
        return self

    async def stop(self) -> None:
        """Close the port and every connection."""
        self._server.close()
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        self.accepted += 1
        try:
            while not writer.transport.is_closing():
                request = await read_message(reader)
                self.requests.append(request)
                reply = self.replies.popleft() if self.replies else self.reply
                if isinstance(reply, bytes):
                    writer.write(reply)
                    await writer.drain()
                else:
                    await reply(request, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.closed += 1
            self._tasks.discard(task)
            self._writers.discard(writer)
            writer.close()

    async def wait_requests(self, count: int) -> None:
        """Wait until so many requests have come."""
        await until(lambda: len(self.requests) >= count)

    async def wait_closed(self, count: int = 1) -> None:
        """Wait until so many connections have ended."""
        await until(lambda: self.closed >= count)


class Gate:
    """A reply that waits to be opened: the request is in flight meanwhile."""

    def __init__(self, then: bytes) -> None:
        self._then = then
        self._open = asyncio.Event()
        self.gone = asyncio.Event()

    def open(self) -> None:
        self._open.set()

    async def __call__(self, request: Message, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened = asyncio.ensure_future(self._open.wait())
        left = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait((opened, left), return_when=asyncio.FIRST_COMPLETED)
            if not opened.done():
                self.gone.set()
                raise ConnectionResetError
            writer.write(self._then)
            await writer.drain()
        finally:
            opened.cancel()
            left.cancel()
            await asyncio.gather(opened, left, return_exceptions=True)


# clients


def request(
    method: str = "POST",
    path: str = CHAT,
    *lines: str,
    body: Mapping[str, Any] | bytes | None = None,
    version: str = "1.1",
) -> bytes:
    """A request; a body brings its content-length, ``host`` is added for HTTP/1.1."""
    head = [f"{method} {path} HTTP/{version}"]
    if version == "1.1" and not any(line.lower().startswith("host:") for line in lines):
        head.append("host: router")
    head += lines
    content = b"" if body is None else body if isinstance(body, bytes) else msgspec.json.encode(body)
    if body is not None:
        head.append(f"content-length: {len(content)}")
    return "\r\n".join((*head, "", "")).encode("latin-1") + content


def chat(model: str = "auto", text: str = "hi", **fields: Any) -> dict[str, Any]:
    """The body of a chat request."""
    return {"model": model, "messages": [{"role": "user", "content": text}], **fields}


class Client:
    """One connection to the router."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await within(self.writer.drain())

    async def answer(self, **how: bool) -> Message:
        """The next answer."""
        return await within(read_message(self.reader, **how))

    async def ask(self, data: bytes) -> Message:
        """Send, and the next answer."""
        await self.send(data)
        return await self.answer()

    async def rest(self) -> bytes:
        """What still comes until the router closes the connection."""
        return await within(self.reader.read())

    def leave(self) -> None:
        """Vanish."""
        self.writer.transport.abort()


class Router:
    """A proxy on a port of its own."""

    def __init__(self, log: Path, options: Mapping[str, Any]) -> None:
        self.statistics = Statistics()
        self.log_path = log
        self.log = AccessLog(str(log))
        self.proxy = Proxy(ProxyOptions(**{"allow_cidrs": ("127.0.0.0/8",), **options}), self.statistics, self.log)
        self._clients: list[Client] = []

    async def start(self) -> "Router":
        self._server = await asyncio.get_running_loop().create_server(self.proxy.protocol, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def configure(self, configuration: RouterConfig, secrets: Mapping[str, bytes] | None = None) -> None:
        """Put a configuration in force."""
        self.proxy.prepare(encode(configuration), secrets or {})()

    async def connect(self) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self._clients.append(client)
        return client

    async def connections(self, count: int) -> list[ClientConnection]:
        """The router's side of its connections, once there are so many."""
        await until(lambda: len(self.proxy._connections) == count)
        return list(self.proxy._connections)

    async def settled(self, value: Callable[[], object]) -> None:
        """Wait until a value is true and the loop has found nothing more to do with it for some rounds."""
        await until(value)
        same = 0
        while same < 20:
            before = value()
            await asyncio.sleep(0.001)
            same = same + 1 if value() == before else 0

    def sweep(self, after: float) -> None:
        """Do what the proxy does a few times a second, as if so many seconds had passed."""
        self.proxy.sweep(time.monotonic() + after)

    def entries(self) -> list[dict[str, Any]]:
        """The lines of the access log."""
        self.log.flush()
        return [msgspec.json.decode(line) for line in self.log_path.read_bytes().splitlines()]

    async def stop(self) -> None:
        self._server.close()
        for client in self._clients:
            client.leave()
        self.proxy.drain()
        await within(self.proxy.drained())
        assert self.proxy.room.held == 0
        self.log.close()


StartUpstream = Callable[..., Awaitable[Upstream]]
StartRouter = Callable[..., Awaitable[Router]]
