"""Both ends of the stream, over TLS, on one machine; who is whom is told by a stand-in for the API server."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from signalbox.control import client, server
from signalbox.control.client import Client, Endpoint, Pauses
from signalbox.control.hub import Hub
from signalbox.control.messages import (
    PATH,
    Config,
    Hello,
    Lease,
    Leases,
    Load,
    Ping,
    Report,
    Revoked,
    ToRouter,
    Traffic,
    Weights,
    line,
)
from signalbox.control.peers import Peer, Refused, Router
from signalbox.control.server import ControlServer
from waiting import until

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
        self.server = ControlServer(self.known, self.hub, self.heard, look=look)
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

    def hello(self) -> Hello:
        return Hello(format_version=1)

    def report(self) -> Report:
        return Report(config_hash=self.hash)

    def heard(self, message: ToRouter) -> None:
        self.messages.append(message)

    def lost(self, reason: str) -> None:
        self.losses.append(reason)

    def configs(self) -> list[str]:
        return [message.hash for message in self.messages if isinstance(message, Config)]


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "ca.crt")
    return made


@pytest.fixture
async def listener(authority: trustme.CA) -> AsyncIterator[Listener]:
    made = Listener(authority)
    await made.open()
    yield made
    await made.close()


class Connected:
    """A client at work, as the pod whose name is its token."""

    def __init__(self, port: int, directory: Path, token: str = "a") -> None:
        self.token = directory / f"token-{token}"
        self.token.write_text(f"{token}\n")
        self.pod = Pod()
        self.client = Client(Endpoint(f"https://localhost:{port}{PATH}", directory / "ca.crt", self.token), self.pod)
        self.task = asyncio.create_task(self.client.run())


@pytest.fixture
async def router(listener: Listener, tmp_path: Path) -> AsyncIterator[Connected]:
    made = Connected(listener.port, tmp_path)
    yield made
    made.task.cancel()
    await asyncio.gather(made.task, return_exceptions=True)


async def test_both_sides_talk_on_one_request(listener: Listener, router: Connected) -> None:
    await until(lambda: listener.heard.reports)
    listener.hub.publish(ROUTER, "h1", b'{"x":1}', ["a" * 64], [])
    await until(lambda: router.pod.configs() == ["h1"])
    revoked, config = [m for m in router.pod.messages if not isinstance(m, Ping)]
    assert isinstance(revoked, Revoked)
    assert revoked.digests == ("a" * 64,)
    assert isinstance(config, Config)
    assert bytes(config.config) == b'{"x":1}'
    router.pod.hash = HASH
    router.client.changed()
    await until(lambda: ("a", Report(config_hash=HASH)) in listener.heard.reports)
    listener.hub.publish(ROUTER, "h1", b'{"x":1}', [], ["a" * 64])
    await until(lambda: router.pod.messages[-1] == Revoked() or router.pod.messages[-2] == Revoked())
    assert router.pod.configs() == ["h1"]
    assert len(listener.heard.hellos) == 1


async def test_weights_are_told_as_they_are_when_they_leave(listener: Listener, router: Connected) -> None:
    await until(lambda: listener.heard.reports)
    made: list[int] = []

    def weights(number: int) -> bytes:
        made.append(number)
        return line(Weights(loads={"a": Load(age_ms=number)}))

    for number in range(3):
        listener.hub.steer(ROUTER, lambda number=number: weights(number))  # type: ignore[misc]
    await until(lambda: Weights(loads={"a": Load(age_ms=2)}) in router.pod.messages)
    assert made == [2]  # what is past is never made
    parts = Leases(backends={"a": Lease(in_flight=3)})
    listener.hub.lease(ROUTER, {"uid-a": line(parts), "uid-b": line(Leases())})
    await until(lambda: parts in router.pod.messages)
    assert Leases() not in router.pod.messages


async def test_who_connects_later_gets_the_newest_only(listener: Listener, tmp_path: Path) -> None:
    for name in ("h1", "h2"):
        listener.hub.publish(ROUTER, name, b"{}", [], [])
    late = Connected(listener.port, tmp_path)
    await until(lambda: late.pod.configs() == ["h2"])
    late.task.cancel()


@pytest.mark.parametrize(("token", "status"), [("bad", 401), ("foreign", 403)])
async def test_a_token_that_rotates_is_read_again(listener: Listener, tmp_path: Path, token: str, status: int) -> None:
    refused = Connected(listener.port, tmp_path, token)
    await until(lambda: refused.pod.losses)
    assert str(status) in refused.pod.losses[0]
    refused.token.write_text("good")
    await until(lambda: listener.heard.hellos)
    assert listener.heard.hellos[0][0] == "good"
    refused.task.cancel()


async def test_it_comes_back_when_the_operator_does(listener: Listener, router: Connected) -> None:
    await until(lambda: listener.heard.hellos)
    await listener.close()
    await until(lambda: len(router.pod.losses) > 1)  # the end, and one that found nobody
    listener.hub.publish(ROUTER, "h2", b"{}", [], [])
    await listener.open()
    await until(lambda: router.pod.configs() == ["h2"])
    await until(lambda: len(listener.heard.hellos) == 2)


async def test_only_the_leader_serves(listener: Listener, router: Connected) -> None:
    await until(lambda: listener.heard.hellos)
    listener.server.end()
    await until(lambda: any("503" in loss for loss in router.pod.losses))
    listener.server.begin()
    await until(lambda: len(listener.heard.hellos) == 2)


async def test_a_stream_ends_with_its_token(listener: Listener, tmp_path: Path) -> None:
    listener.known.expires = time.time() + 0.3
    short = Connected(listener.port, tmp_path)
    await until(lambda: listener.heard.ends and short.pod.losses)
    assert short.pod.losses[0] == "the operator ended the stream"
    short.task.cancel()


async def test_a_stream_ends_with_its_pod(listener: Listener, router: Connected) -> None:
    await until(lambda: listener.heard.hellos)
    listener.known.gone.add("a")
    await until(lambda: listener.heard.ends == ["a"])
    await until(lambda: any("403" in loss for loss in router.pod.losses))


async def test_a_stream_is_looked_at_as_soon_as_somebody_says_so(authority: trustme.CA, tmp_path: Path) -> None:
    listener = Listener(authority, look=3600.0)
    await listener.open()
    router = Connected(listener.port, tmp_path)
    try:
        await until(lambda: listener.heard.reports)
        listener.server.look_again("uid-a")
        listener.server.look_again("uid-nobody")
        reports = len(listener.heard.reports)
        await until(lambda: len(listener.heard.reports) > reports)
        assert not listener.heard.ends  # the pod is there, whatever was said of it
        listener.known.gone.add("a")
        listener.server.look_again("uid-a")
        await until(lambda: listener.heard.ends == ["a"])
    finally:
        router.task.cancel()
        await listener.close()


async def test_a_pod_has_one_stream(listener: Listener, router: Connected, tmp_path: Path) -> None:
    await until(lambda: listener.heard.hellos)
    again = Connected(listener.port, tmp_path)
    await until(lambda: router.pod.losses)
    again.task.cancel()


async def test_silence_counts_as_the_end(listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "SILENCE_SECONDS", 0.2)  # shorter than the time between two pings
    impatient = Connected(listener.port, tmp_path)
    await until(lambda: len(listener.heard.hellos) > 1)
    assert impatient.pod.losses[0] == "TimeoutError"
    impatient.task.cancel()


@pytest.mark.parametrize("what", ["nowhere", "no token", "no authority", "another authority", "no TLS"])
async def test_whatever_is_wrong_is_tried_again(listener: Listener, tmp_path: Path, what: str) -> None:
    port, plain = listener.port, None
    if what == "nowhere":
        await listener.close()
    elif what == "another authority":
        (tmp_path / "ca.crt").unlink()
        trustme.CA().cert_pem.write_to_path(tmp_path / "ca.crt")
    elif what == "no authority":
        (tmp_path / "ca.crt").unlink()
    elif what == "no TLS":
        plain = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        port = plain.sockets[0].getsockname()[1]
    failing = Connected(port, tmp_path)
    if what == "no token":
        failing.token.unlink()
    await until(lambda: len(failing.pod.losses) >= 2)
    assert not failing.task.done()
    failing.task.cancel()
    if plain is not None:
        plain.close()
    if what == "nowhere":
        await listener.open()


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


@pytest.mark.parametrize(
    "lines",
    [
        (b"nonsense\n",),
        tuple(b"x" * 65536 for _ in range(5)),
        (line(Report()) * round(server.BURST + 20),),
        (b"\n" * round(server.BURST + 20),),
        (b'{"type":"song"}\n' * round(server.BURST + 20),),
    ],
    ids=["nonsense", "endless", "too fast", "nothing too fast", "unknown too fast"],
)
async def test_who_floods_is_cut_off(listener: Listener, tmp_path: Path, lines: tuple[bytes, ...]) -> None:
    answer = await raw(listener, tmp_path, *lines)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"0\r\n\r\n")
    assert listener.heard.ends == ["a"]
    assert listener.server.streams == 0


async def test_who_says_too_much_is_cut_off(listener: Listener, tmp_path: Path) -> None:
    song = b'{"type":"song","verse":"%b"}\n' % (b"x" * 250_000)
    with suppress(ConnectionError):  # the rest of it is not even read
        await raw(listener, tmp_path, *([song] * 8))
    await until(lambda: listener.heard.ends == ["a"])


async def test_what_is_said_is_not_taken_as_it_is(listener: Listener, tmp_path: Path) -> None:
    listener.hub.publish(ROUTER, "h1", b"{}", [], [], ["x"])
    x = {"x": Traffic(known=1)}
    said = Report(config_hash="y" * 1000, backends={**x, "another's": Traffic(known=1, usable=1)})
    speaking = asyncio.create_task(raw(listener, tmp_path, line(Hello(format_version=1, config_hash="y")), line(said)))
    await until(lambda: listener.heard.reports)
    assert listener.heard.hellos == [("a", Hello(format_version=1))]
    assert listener.heard.reports == [("a", Report(backends=x))]
    speaking.cancel()
    await asyncio.gather(speaking, return_exceptions=True)


async def test_who_says_nothing_is_cut_off(listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "SILENCE_SECONDS", 0.1)
    assert (await raw(listener, tmp_path)).endswith(b"0\r\n\r\n")


async def test_one_address_keeps_nobody_else_out(listener: Listener, tmp_path: Path) -> None:
    """Whoever can open a port may send tokens that take the API server long."""
    crowd = [asyncio.create_task(raw(listener, tmp_path, token="slow")) for _ in range(2 * server.REVIEWS)]
    await until(lambda: listener.known.slow >= server.REVIEWS_OF_ONE)
    nonsense = await raw(listener, tmp_path, token="nonsense")
    assert nonsense.startswith(b"HTTP/1.1 401")
    welcome = asyncio.create_task(raw(listener, tmp_path, line(Hello(format_version=1)), at="127.0.0.2"))
    await until(lambda: listener.heard.hellos)
    assert listener.known.slowest == server.REVIEWS_OF_ONE
    for task in (*crowd, welcome):
        task.cancel()
    await asyncio.gather(*crowd, welcome, return_exceptions=True)


async def test_a_token_that_has_expired_here_is_refused(listener: Listener, tmp_path: Path) -> None:
    """And not accepted to be ended at once, though the API server's clock may be another one."""
    listener.known.expires = time.time() - 1
    late = Connected(listener.port, tmp_path)
    await until(lambda: late.pod.losses)
    assert "401" in late.pod.losses[0]
    late.task.cancel()


def test_what_ends_at_once_is_tried_ever_more_seldom() -> None:
    pauses = Pauses()
    seconds = [pauses.after(lasted) for lasted in (0.0, 0.1, 0.0, 0.1, 0.1, 0.1, 0.1)]
    assert seconds == sorted(seconds)
    assert seconds[0] < seconds[-1] == client.LONGEST_PAUSE
    assert pauses.after(client.STEADY_SECONDS) == client.FIRST_PAUSE
