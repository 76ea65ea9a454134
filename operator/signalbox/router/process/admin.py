"""The admin port: health, readiness and metrics, on a port of its own and open to whoever reaches it.

So it tells nothing that needs guarding: no prompt, key, secret or tenant. It reads a request line and headers, answers,
and closes; that is all of HTTP that probes and Prometheus need.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from signalbox.router.telemetry.metrics import Families

MAX_HEAD_BYTES = 8 << 10
TIMEOUT = 10.0
MAX_CONNECTIONS = 64

_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


class Health(msgspec.Struct, frozen=True):
    """An answer to a probe; ``problems`` is empty when all is well."""

    problems: tuple[str, ...] = ()


class AdminServer:
    """Answers GET and HEAD of /healthz, /readyz and /metrics from what three callbacks say."""

    def __init__(
        self,
        *,
        healthy: Callable[[], Health],
        ready: Callable[[], Health],
        metrics: Callable[[], Awaitable["Families"]],
    ) -> None:
        self._probes = {"/healthz": healthy, "/readyz": ready}
        self._metrics = metrics
        self._server: asyncio.Server | None = None
        self._open = 0

    async def start(self, host: str, port: int) -> int:
        """Listen; gives the port. Raises ``OSError`` when it is in use."""
        self._server = await asyncio.start_server(self._serve, host or None, port, limit=MAX_HEAD_BYTES)
        return int(self._server.sockets[0].getsockname()[1])

    def stop(self) -> None:
        """Take no more requests."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= MAX_CONNECTIONS:
                async with asyncio.timeout(TIMEOUT):
                    writer.write(await self._answer(reader))
                    await writer.drain()
        except (TimeoutError, OSError):
            pass
        finally:
            self._open -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return _response(400, b"request head too large\n")
        except asyncio.IncompleteReadError:
            return b""
        line, _, headers = head.decode("latin-1").partition("\r\n")
        parts = line.split(" ")
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            return _response(400, b"not an HTTP/1 request\n")
        method, path = parts[0], parts[1].partition("?")[0]
        if method not in {"GET", "HEAD"}:
            return _response(405, b"only GET\n", allow="GET, HEAD")
        response = await self._route(path, _header(headers, "accept"))
        return response if method == "GET" else response[: response.index(b"\r\n\r\n") + 4]

    async def _route(self, path: str, accept: str) -> bytes:
        probe = self._probes.get(path)
        if probe is not None:
            problems = probe().problems
            text = "\n".join(problems) if problems else "ok"
            return _response(503 if problems else 200, text.encode() + b"\n")
        if path == "/metrics":
            from prometheus_client.exposition import choose_encoder  # noqa: PLC0415 - see ``Supervisor``

            encode, content_type = choose_encoder(accept)
            return _response(200, encode(await self._metrics()), content_type)
        return _response(404, b"there are /healthz, /readyz and /metrics\n")


def _header(headers: str, name: str) -> str:
    for line in headers.split("\r\n"):
        key, _, value = line.partition(":")
        if key.strip().lower() == name:
            return value.strip()
    return ""


def _response(status: int, body: bytes, content_type: str = "text/plain; charset=utf-8", allow: str = "") -> bytes:
    lines = [
        f"HTTP/1.1 {status} {_REASONS[status]}",
        f"content-type: {content_type}",
        f"content-length: {len(body)}",
        "cache-control: no-store",
        "connection: close",
    ]
    if allow:
        lines.append(f"allow: {allow}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
