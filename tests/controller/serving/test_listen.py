"""The operator's ports: how many may come."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from aiohttp import web

from signalbox.controller.serving.listen import Bounds, listen
from signalbox.routing.config import Address

ASK = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    application = web.Application()
    application.router.add_get("/", hello)
    runner = await listen(application, Address(host="127.0.0.1", port=0), "--page", bounds=Bounds(most=5, each=3))
    yield runner.addresses[0][1]
    await runner.cleanup()


class Guest:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def come(cls, port: int, at: str) -> "Guest":
        return cls(*await asyncio.open_connection("127.0.0.1", port, local_addr=(at, 0)))

    async def welcome(self) -> bool:
        """Whether it is answered."""
        self._writer.write(ASK)
        try:
            return b"200" in await asyncio.wait_for(self._reader.readuntil(b"hello"), 10)
        except (asyncio.IncompleteReadError, ConnectionError):
            return False

    async def go(self) -> None:
        self._writer.close()
        await asyncio.gather(self._writer.wait_closed(), return_exceptions=True)


async def test_nobody_takes_all_connections(port: int) -> None:
    async with AsyncExitStack() as stack:

        async def come(at: str) -> Guest:
            guest = await Guest.come(port, at)
            stack.push_async_callback(guest.go)
            return guest

        first = [await come("127.0.0.1") for _ in range(3)]
        assert [await guest.welcome() for guest in first] == [True] * 3
        assert not await (await come("127.0.0.1")).welcome()  # more than its share
        second = [await come("127.0.0.2") for _ in range(2)]
        assert [await guest.welcome() for guest in second] == [True] * 2
        assert not await (await come("127.0.0.2")).welcome()  # more than there are
        await first[0].go()
        async with asyncio.timeout(10):
            while not await (await come("127.0.0.2")).welcome():
                await asyncio.sleep(0.01)
        assert await first[1].welcome()
