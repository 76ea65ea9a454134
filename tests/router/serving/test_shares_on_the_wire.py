"""Declared shares hold through the whole proxy: within one point over 10,000 requests, one by one and all at once."""

import asyncio
import functools
import random
from collections.abc import AsyncIterator, Callable
from typing import ClassVar, cast

import pytest
from scenes import ASK

from harness import StartRouter, backend, completion, config, policy, response
from signalbox.control.messages import Load, RouteWeights, SetWeights, Weights
from signalbox.routing.config import Address, Route, Share, Weighted

ANSWER = response(200, completion())
REQUESTS = 10_000


class FastUpstream(asyncio.Protocol):
    """Counts requests and answers them, in another order than they came when ``shuffled``."""

    count = 0
    shuffled = False
    open: ClassVar[set[asyncio.Transport]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.open.add(self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.open.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        type(self).count += 1
        if self.shuffled and random.random() < 0.5:
            asyncio.get_running_loop().call_later(random.random() / 100, self._answer)
        else:
            self._answer()

    def _answer(self) -> None:
        self.transport.write(ANSWER)


class FastClient(asyncio.Protocol):
    """Asks again as soon as it has its answer."""

    def __init__(self, requests: int, between: Callable[[], None]) -> None:
        self._left = requests
        self._between = between
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(ASK)

    def data_received(self, data: bytes) -> None:
        if not data.startswith(b"HTTP/1.1 200"):
            self.done.set_exception(AssertionError(data))
        self._left -= 1
        self._between()
        if self._left:
            self.transport.write(ASK)
        else:
            self.done.set_result(None)


def heard(seen: int) -> Weights:
    """What the operator sends while nobody is overloaded, and its digits waver."""
    route = RouteWeights(sets=(SetWeights(effective={"a": 0.9 + seen * 1e-10, "b": 0.07, "c": 0.03}),))
    return Weights(policies={"auto": {"all": route}}, loads={"a": Load(age_ms=0, in_system=100.0, utilization=0.8)})


@pytest.fixture
async def engines() -> AsyncIterator[list[tuple[type[FastUpstream], Address]]]:
    started = []
    servers = []
    for name in ("a", "b", "c"):
        kind = type(name, (FastUpstream,), {"count": 0})
        server = await asyncio.get_running_loop().create_server(kind, "127.0.0.1", 0)
        servers.append(server)
        host, port = server.sockets[0].getsockname()
        started.append((kind, Address(host=host, port=port)))
    yield started
    for server in servers:
        server.close()
    for transport in list(FastUpstream.open):
        transport.abort()


@pytest.mark.parametrize("connections", [1, 200])
@pytest.mark.parametrize("meanwhile", ["nothing", "reloads", "weights"])
async def test_shares_hold(
    start_router: StartRouter, engines: list[tuple[type[FastUpstream], Address]], connections: int, meanwhile: str
) -> None:
    weights = (90, 7, 3)
    backends = [backend([], kind.__name__, endpoints=(address,)) for kind, address in engines]
    shares = tuple(Share(target=b.name, weight=w) for b, w in zip(backends, weights, strict=True))
    declared = config(policy(*backends, routes=(Route(name="all", strategy=Weighted(targets=shares)),)), *backends)
    router = await start_router(declared)
    seen = 0

    def between() -> None:
        nonlocal seen
        seen += 1
        if seen % 50 == 0 and meanwhile == "reloads":
            router.configure(declared)
        elif seen % 50 == 0 and meanwhile == "weights":
            # As declared, and what engines say of themselves: here, that the largest share is the busiest.
            router.proxy.steer(heard(seen), 0.0)

    for kind, _ in engines:
        kind.shuffled = connections > 1
    loop = asyncio.get_running_loop()
    make = functools.partial(FastClient, REQUESTS // connections, between)
    clients = [(await loop.create_connection(make, "127.0.0.1", router.port))[1] for _ in range(connections)]
    async with asyncio.timeout(60):
        await asyncio.gather(*(client.done for client in clients))
    for client in clients:
        client.transport.abort()
    counts = [kind.count for kind, _ in engines]
    assert sum(counts) == REQUESTS
    for count, weight in zip(counts, weights, strict=True):
        assert abs(count / REQUESTS - weight / 100) < 0.01, counts
