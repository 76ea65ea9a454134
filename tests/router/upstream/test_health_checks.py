"""Active checks of real listeners."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

import pytest
import trustme

from signalbox.router.upstream.dial import Dialer, Proxies
from signalbox.router.upstream.health_checks import Check, HealthChecks
from signalbox.routing.address_rules import AddressRules, parse_networks
from signalbox.routing.config import Address

LOOPBACK = AddressRules(parse_networks(["127.0.0.0/8"]))


class Engine:
    """Answers every connection with the same bytes, "" is silence; keeps the requests."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.requests: asyncio.Queue[bytes] = asyncio.Queue()
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        self.requests.put_nowait(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self.answer)

    @asynccontextmanager
    async def listening(self, context: ssl.SSLContext | None = None) -> AsyncIterator[Address]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0, ssl=context)
        try:
            yield Address(host="127.0.0.1", port=server.sockets[0].getsockname()[1])
        finally:
            server.close()
            for writer in self.writers:
                writer.close()


class Results:
    """What the checks said."""

    def __init__(self, rules: AddressRules = LOOPBACK) -> None:
        self.queue: asyncio.Queue[tuple[str, Address, bool]] = asyncio.Queue()
        self.checks = HealthChecks(Dialer(rules, Proxies({})), lambda *result: self.queue.put_nowait(result), Random(1))

    async def next(self) -> bool:
        async with asyncio.timeout(20):
            return (await self.queue.get())[2]


@asynccontextmanager
async def results(rules: AddressRules = LOOPBACK) -> AsyncIterator[Results]:
    each = Results(rules)
    try:
        yield each
    finally:
        each.checks.stop()


def check(address: Address, interval: float = 0.05, path: str = "/health") -> Check:
    return Check(backend="b", address=address, path=path, authority="engine.example", interval=interval)


@pytest.mark.parametrize(
    ("answer", "healthy"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n" + b"x" * 10_000, True),
        (b"HTTP/1.0 200 OK\r\n\r\nendless", True),
        (b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n", False),
        (b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", False),
        (b"220 mail.example ESMTP\r\n", False),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000, False),
        (b"", False),
    ],
)
async def test_status_decides(answer: bytes, healthy: bool) -> None:
    engine = Engine(answer)
    async with engine.listening() as address, results() as said:
        said.checks.update([check(address)])
        assert [await said.next(), await said.next()] == [healthy, healthy]
        assert engine.requests.get_nowait().startswith(b"GET /health HTTP/1.1\r\nhost: engine.example\r\n")


async def test_nobody_listens() -> None:
    engine = Engine(b"")
    async with engine.listening() as address:
        pass
    async with results() as said:
        said.checks.update([check(address)])
        assert await said.next() is False


async def test_address_rules_hold() -> None:
    engine = Engine(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    async with engine.listening() as address, results(AddressRules()) as said:
        said.checks.update([check(address)])
        assert await said.next() is False
        assert engine.requests.empty()


async def test_checks_follow_the_configuration() -> None:
    ok = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    one, other = Engine(ok), Engine(ok)
    async with one.listening() as first, other.listening() as second, results() as said:
        said.checks.update([check(first)])
        await said.next()
        tasks = dict(said.checks._tasks)
        said.checks.update([check(first), check(second)])
        assert said.checks._tasks[check(first)] is tasks[check(first)]
        await until(said, lambda result: result[1] == second)
        said.checks.update([check(second)])
        await asyncio.gather(tasks[check(first)], return_exceptions=True)
        assert tasks[check(first)].cancelled()
        said.checks.update([check(second, path="/ready")])
        async with asyncio.timeout(20):
            while not (await other.requests.get()).startswith(b"GET /ready "):
                pass


async def until(said: Results, condition: Callable[[tuple[str, Address, bool]], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition(await said.queue.get()):
            pass


async def test_tls_is_verified() -> None:
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue_cert("engine.example").configure_cert(server)
    authority.configure_trust(client)
    engine = Engine(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    async with engine.listening(server) as address, results() as said:
        for name, healthy in (("engine.example", True), ("other.example", False)):
            said.checks.update([Check("b", address, "/", "engine.example", 0.5, client, name)])
            assert await said.next() is healthy
