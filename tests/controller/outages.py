"""What lies between an operator and the API server: a proxy that answers wrongly, and a network that is gone.

Both work in a thread of their own, so that a test may look at the API server meanwhile.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from aiohttp import web
from faulty import Fault, Proxy

from cluster.running import Cluster

ENDLESS = 1_000_000
SECONDS = 30.0


class Asked(NamedTuple):
    """One request: when, and what."""

    at: float
    method: str
    path: str


class _Listening(Proxy):
    """Notes when what was asked."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self.asked: list[Asked] = []

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(Asked(time.monotonic(), request.method, request.path_qs))
        return await super()._handle(request)


class _Line:
    """A TCP port that leads to another one, while it is not closed or silent."""

    def __init__(self, host: str, port: int) -> None:
        self._there = host, port
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def heal(self) -> None:
        self._open.set()
        if not self._server.is_serving():
            await self.start()

    def refuse(self) -> None:
        """Nobody listens any more."""
        self._server.close()
        self.cut()

    def silence(self) -> None:
        """Nothing arrives any more, on connections old and new, and nobody is told."""
        self._open.clear()

    def cut(self) -> None:
        """End all connections; new ones are welcome."""
        for writer in self._writers:
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._open.wait()
        there, back = await asyncio.open_connection(*self._there)
        both = {writer, back}
        self._writers |= both
        try:
            pipes = [asyncio.create_task(self._pipe(*ends)) for ends in ((reader, back), (there, writer))]
            await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._writers -= both
            for each in both:
                each.transport.abort()

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._open.wait()
                writer.write(data)
                await writer.drain()


class Outages:
    """An API server that may be made to misbehave. ``access`` is a kubeconfig that leads to it."""

    def __init__(self, cluster: Cluster, file: Path) -> None:
        self._cluster, self.access = cluster, file
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(SECONDS)

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        self._proxy = _Listening(self._cluster)
        await self._proxy.start()
        address = self._proxy.url.removeprefix("http://").partition(":")
        self._line = _Line(address[0], int(address[2]))
        await self._line.start()
        self._proxy.url = f"http://127.0.0.1:{self._line.port}"
        self._proxy.kubeconfig(self.access)
        self._ready.set()
        await self._end.wait()
        self._line.refuse()
        await self._proxy.stop()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(SECONDS)

    @property
    def asked(self) -> list[Asked]:
        return list(self._proxy.asked)

    def answer(self, *faults: Fault) -> None:
        """Answer so from now on. Streams that are open end, so that this meets watches, too."""
        for fault in faults:
            fault.times = ENDLESS
        self._proxy.faults = list(faults)
        self.cut()

    def refuse(self) -> None:
        self._call(self._line.refuse)

    def silence(self) -> None:
        self._call(self._line.silence)

    def cut(self) -> None:
        self._call(self._line.cut)

    def heal(self) -> None:
        """All is well again, but for the connections that are broken."""
        self._proxy.faults = []
        asyncio.run_coroutine_threadsafe(self._line.heal(), self._loop).result(SECONDS)

    def _call(self, function: Callable[[], None]) -> None:
        done = threading.Event()
        self._loop.call_soon_threadsafe(lambda: (function(), done.set()))
        assert done.wait(SECONDS)
