"""What others owe in time, on the loop of the router."""

import asyncio
import time
from collections.abc import Callable

import pytest

from signalbox.router.patience import within
from signalbox.router.upstream.connection import UpstreamConnection
from signalbox.router.upstream.dial import Dialer, Proxies
from signalbox.router.upstream.dialling import dial
from signalbox.router.upstream.endpoint import Endpoint
from signalbox.routing.address_rules import AddressRules, parse_networks
from signalbox.routing.config import Address
from signalbox.routing.ejection import BackendHealth

LOOPBACK = AddressRules(parse_networks(["127.0.0.0/8"]))


class Waiting:
    """Who waits for a connection, and what came of it."""

    cancelled = False

    def __init__(self) -> None:
        self.connection: UpstreamConnection | None = None
        self.reason = ""

    def connected(self, connection: UpstreamConnection) -> None:
        self.connection = connection

    def not_connected(self, reason: str, timed_out: bool) -> None:
        self.reason = reason

    def crashed(self) -> None:
        self.reason = "crashed"


async def _leave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def _standing_still(seconds: float, work: Callable[[], asyncio.Task[None]]) -> None:
    """The work begins, and nothing goes on until ``seconds`` later."""
    task = work()
    asyncio.get_running_loop().call_soon(time.sleep, seconds)
    await task


async def test_what_was_there_in_time_is_not_late_because_nobody_looked() -> None:
    server = await asyncio.start_server(_leave, "127.0.0.1", 0)
    address = Address(host="127.0.0.1", port=server.sockets[0].getsockname()[1])
    health, waiting = BackendHealth().endpoint(address), Waiting()
    endpoint = Endpoint(address, health, Dialer(LOOPBACK, Proxies({})), None, None)
    async with server:
        await _standing_still(0.4, lambda: asyncio.ensure_future(dial(endpoint, waiting, 0.2)))
        assert waiting.connection is not None, waiting.reason
        waiting.connection.transport.abort()


async def test_what_never_comes_is_late() -> None:
    with pytest.raises(TimeoutError):
        async with within(0.02):
            await asyncio.Event().wait()


async def test_what_does_not_come_after_a_standstill_is_late() -> None:
    async def wait() -> None:
        with pytest.raises(TimeoutError):
            async with within(0.02):
                await asyncio.Event().wait()

    await _standing_still(0.1, lambda: asyncio.ensure_future(wait()))


async def test_whoever_is_cancelled_ends_at_once() -> None:
    async def wait() -> None:
        async with within(60):
            await asyncio.Event().wait()

    task = asyncio.ensure_future(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_failure_of_the_work_is_its_own() -> None:
    with pytest.raises(ZeroDivisionError):
        async with within(60):
            raise ZeroDivisionError
