"""The ports of the operator, and how many may be connected: a connection takes memory, and anybody may open one."""

import asyncio
import ssl
from collections.abc import Callable
from typing import NamedTuple

from aiohttp import web

from signalbox.routing.config import Address
from signalbox.signals.ports import refused

# What is still being answered at the end has this long.
END_SECONDS = 0.5
HANDSHAKE_SECONDS = 10.0


class Bounds(NamedTuple):
    """Connections of a port, and those of one address among them. Pods of a node may share an address."""

    most: int = 10_000
    each: int = 500


async def listen(
    application: web.Application,
    at: Address | None,
    option: str,
    context: ssl.SSLContext | None = None,
    bounds: Bounds | None = None,
) -> web.AppRunner:
    """Serve an application, nowhere where ``at`` is None; ``cleanup`` of the answer ends it. Raises ``OSError``, which
    names the ``option`` that says where."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=END_SECONDS)
    await runner.setup()
    if at is not None:
        try:
            await _Site(runner, at, context, bounds or Bounds()).start()
        except OSError as error:
            await runner.cleanup()
            raise refused(error, at.host, at.port, option) from None
    return runner


class _Site(web.BaseSite):
    """A port that turns away whoever is one too many."""

    def __init__(self, runner: web.AppRunner, at: Address, context: ssl.SSLContext | None, bounds: Bounds) -> None:
        super().__init__(runner, ssl_context=context)
        self._at, self._bounds = at, bounds

    @property
    def name(self) -> str:
        return f"{self._at.host}:{self._at.port}"

    async def start(self) -> None:
        await super().start()
        serve, guests = self._runner.server, _Guests(self._bounds)
        assert serve is not None
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Connection(serve, guests),
            self._at.host,
            self._at.port,
            ssl=self._ssl_context,
            ssl_handshake_timeout=None if self._ssl_context is None else HANDSHAKE_SECONDS,
        )


class _Guests:
    """Who is connected, by address."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._all = 0
        self._of: dict[str, int] = {}

    def enter(self, address: str) -> bool:
        """Whether one more may come."""
        if self._all >= self._bounds.most or self._of.get(address, 0) >= self._bounds.each:
            return False
        self._all += 1
        self._of[address] = self._of.get(address, 0) + 1
        return True

    def leave(self, address: str) -> None:
        """One that entered has gone."""
        self._all -= 1
        self._of[address] -= 1
        if not self._of[address]:
            del self._of[address]


class _Connection(asyncio.Protocol):
    """Hands on to whoever serves, once it has been let in."""

    def __init__(self, serve: Callable[[], asyncio.Protocol], guests: _Guests) -> None:
        self._serve, self._guests = serve, guests
        self._served: asyncio.Protocol | None = None
        self._address = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._address = str((transport.get_extra_info("peername") or ("",))[0])
        if self._guests.enter(self._address):
            self._served = self._serve()
            self._served.connection_made(transport)
        elif isinstance(transport, asyncio.Transport):
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._served is not None:
            self._guests.leave(self._address)
            self._served.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._served is not None:
            self._served.data_received(data)

    def eof_received(self) -> bool | None:
        return self._served.eof_received() if self._served is not None else None

    def pause_writing(self) -> None:
        if self._served is not None:
            self._served.pause_writing()

    def resume_writing(self) -> None:
        if self._served is not None:
            self._served.resume_writing()
