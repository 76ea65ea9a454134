"""The admin port, spoken to as probes and Prometheus do, and as others might."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from signalbox.router.process.admin import MAX_HEAD_BYTES, AdminServer, Health
from signalbox.router.telemetry.metrics import Families
from signalbox.router.telemetry.process import Process
from signalbox.router.telemetry.snapshot import Snapshot


class State:
    """What the callbacks say."""

    problems: tuple[str, ...] = ()

    def health(self) -> Health:
        return Health(self.problems)

    async def families(self) -> Families:
        return Families(Snapshot(), Process(config_hash="abc"))


@asynccontextmanager
async def listening(state: State) -> AsyncIterator[int]:
    server = AdminServer(healthy=Health, ready=state.health, metrics=state.families)
    try:
        yield await server.start("127.0.0.1", 0)
    finally:
        server.stop()


async def ask(port: int, request: bytes) -> tuple[int, dict[str, str], bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    line, *headers = head.decode().split("\r\n")
    return int(line.split(" ")[1]), dict(header.split(": ", 1) for header in headers), body


async def test_probes() -> None:
    state = State()
    async with listening(state) as port:
        assert await ask(port, b"GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n") == (
            200,
            {
                "content-type": "text/plain; charset=utf-8",
                "content-length": "3",
                "cache-control": "no-store",
                "connection": "close",
            },
            b"ok\n",
        )
        state.problems = ("worker 0 is down", "worker 1 is starting")
        status, _, body = await ask(port, b"GET /readyz?verbose HTTP/1.0\r\n\r\n")
        assert (status, body) == (503, b"worker 0 is down\nworker 1 is starting\n")
        assert (await ask(port, b"GET /healthz HTTP/1.1\r\n\r\n"))[0] == 200


async def test_metrics_in_the_format_that_is_asked_for() -> None:
    async with listening(State()) as port:
        status, headers, body = await ask(port, b"GET /metrics HTTP/1.1\r\n\r\n")
        assert (status, b'config_hash="abc"' in body) == (200, True)
        assert headers["content-type"].startswith("text/plain; version=0.0.4")
        assert int(headers["content-length"]) == len(body)
        accept = b"Accept: application/openmetrics-text;version=1.0.0\r\n"
        _, headers, body = await ask(port, b"GET /metrics HTTP/1.1\r\n%b\r\n" % accept)
        assert headers["content-type"].startswith("application/openmetrics-text")
        assert body.endswith(b"# EOF\n")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 404),
        (b"GET /healthz/../metrics HTTP/1.1\r\n\r\n", 404),
        (b"POST /metrics HTTP/1.1\r\ncontent-length: 0\r\n\r\n", 405),
        (b"hello\r\n\r\n", 400),
        (b"GET /healthz HTTP/2\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nx: " + b"y" * (2 * MAX_HEAD_BYTES), 400),
    ],
)
async def test_refusals(request_bytes: bytes, status: int) -> None:
    async with listening(State()) as port:
        assert (await ask(port, request_bytes))[0] == status


async def test_head_has_no_body() -> None:
    async with listening(State()) as port:
        status, headers, body = await ask(port, b"HEAD /healthz HTTP/1.1\r\n\r\n")
        assert (status, headers["content-length"], body) == (200, "3", b"")


async def test_client_that_leaves_harms_nobody() -> None:
    async with listening(State()) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /hea")
        writer.close()
        await writer.wait_closed()
        assert (await ask(port, b"GET /healthz HTTP/1.1\r\n\r\n"))[0] == 200
