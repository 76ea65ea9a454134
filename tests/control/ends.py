"""Both ends of the stream on one machine, over TLS; who is whom is told by a stand-in for the API server."""

import asyncio
import ssl
import time
from pathlib import Path

import trustme
from aiohttp import web

from signalbox.control.client import Client, Endpoint
from signalbox.control.hub import Hub
from signalbox.control.messages import PATH, Config, Hello, Report, ToRouter, Ways
from signalbox.control.peers import Peer, Refused, Router
from signalbox.control.server import ControlServer

ROUTER = Router("team", "chat-router")
HASH = "0123456789abcdef"


class Known:
    """Tokens are names of pods; "bad" is none, "foreign" may not be served, of "slow" nobody ever hears,
    and "nonsense" is seen by looking at it."""

    def __init__(self) -> None:
        self.gone: set[str] = set()
        self.expires = time.time() + 3600
        self.slow = self.slowest = 0

    def glance(self, token: str) -> None:
        if token == "nonsense":
            raise Refused(401, token)

    async def identify(self, token: str) -> Peer:
        if token in {"bad", "foreign"}:
            raise Refused(401 if token == "bad" else 403, token)
        if token == "slow":
            self.slow += 1
            self.slowest = max(self.slow, self.slowest)
            try:
                await asyncio.sleep(3600)
            finally:
                self.slow -= 1
        peer = Peer(ROUTER, token, f"uid-{token}", self.expires)
        await self.verify(peer)
        return peer

    async def verify(self, peer: Peer) -> None:
        if peer.pod in self.gone:
            raise Refused(403, "the pod is gone")


class Heard:
    """The operator's ears."""

    def __init__(self) -> None:
        self.hellos: list[tuple[str, Hello]] = []
        self.reports: list[tuple[str, Report]] = []
        self.ends: list[str] = []

    def hello(self, peer: Peer, message: Hello) -> None:
        self.hellos.append((peer.pod, message))

    def report(self, peer: Peer, message: Report) -> None:
        self.reports.append((peer.pod, message))

    def gone(self, peer: Peer) -> None:
        self.ends.append(peer.pod)


class Listener:
    """An operator's end on a port of its own, which can be closed and opened again."""

    def __init__(self, authority: trustme.CA, look: float = 0.05) -> None:
        self.known, self.heard = Known(), Heard()
        self.hub = Hub(time.monotonic)
        self.ahead = 0.0  # seconds that its clock is in front of everybody's
        self.server = ControlServer(self.known, self.hub, self.heard, lambda: time.time() + self.ahead, look)
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("localhost").configure_cert(self.context)
        self.port = 0

    async def open(self) -> None:
        application = web.Application()
        application.router.add_post(PATH, self.server.handle)
        self.runner = web.AppRunner(application, shutdown_timeout=0.5)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", self.port, ssl_context=self.context, reuse_address=True).start()
        self.port = self.runner.addresses[0][1]
        self.server.begin()

    async def close(self) -> None:
        self.server.end()
        await self.runner.cleanup()


class Pod:
    """A router's end: keeps what it heard."""

    def __init__(self) -> None:
        self.messages: list[ToRouter] = []
        self.losses: list[str] = []
        self.hash = ""
        self.ways: Ways = {}

    def hello(self) -> Hello:
        return Hello(format_version=1)

    def report(self) -> Report:
        return Report(config_hash=self.hash, sent=self.ways)

    def heard(self, message: ToRouter) -> None:
        self.messages.append(message)

    def lost(self, reason: str) -> None:
        self.losses.append(reason)

    def configs(self) -> list[str]:
        return [message.hash for message in self.messages if isinstance(message, Config)]


class Connected:
    """A client at work in an ``async with``, as the pod whose name is its token."""

    def __init__(self, port: int, directory: Path, token: str = "a") -> None:
        self.token = directory / f"token-{token}"
        self.token.write_text(f"{token}\n")
        self.pod = Pod()
        self.client = Client(Endpoint(f"https://localhost:{port}{PATH}", directory / "ca.crt", self.token), self.pod)

    async def __aenter__(self) -> "Connected":
        self.task = asyncio.create_task(self.client.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def raw(listener: Listener, tmp_path: Path, *lines: bytes, token: str = "a", at: str = "127.0.0.1") -> bytes:
    """What comes back, to the end, from one who is at an address and sends these lines."""
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", listener.port, ssl=context, server_hostname="localhost", local_addr=(at, 0)
    )
    head = f"POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ntransfer-encoding: chunked\r\n\r\n"
    writer.write(head.encode())
    for data in lines:
        writer.write(b"%x\r\n%b\r\n" % (len(data), data))
    try:
        async with asyncio.timeout(20):
            return await reader.read()
    finally:
        writer.transport.abort()
