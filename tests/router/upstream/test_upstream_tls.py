"""TLS towards endpoints: the name asked for, verification, our own certificate; and the proxy of the environment."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trustme
from scenes import ASK, DONE_STREAM, HELLO, LAST, STREAM

from harness import DONE, StartRouter, Upstream, backend, config, policy
from signalbox.router.wire.errors import ConfigRejectedError
from signalbox.routing.config import Address, Backend, Tls
from waiting import until

NAME = "engine.test"


class TlsUpstream(Upstream):
    """An upstream behind TLS; ``names`` are those that clients asked for, ``clients`` those that they have shown."""

    names: list[str]
    clients: list[str]

    async def start_tls(self, authority: trustme.CA, clients: trustme.CA | None = None) -> "TlsUpstream":
        self.names, self.clients = [], []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(NAME).configure_cert(context)
        if clients is not None:
            clients.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        context.sni_callback = lambda _, name, __: self.names.append(name)
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        self.address = Address(host="127.0.0.1", port=self._server.sockets[0].getsockname()[1])
        return self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        shown = writer.get_extra_info("peercert")
        self.clients.append(shown["subjectAltName"][0][1] if shown else "")
        await super()._serve(reader, writer)


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def engine(authority: trustme.CA) -> AsyncIterator[TlsUpstream]:
    upstream = await TlsUpstream().start_tls(authority)
    yield upstream
    await upstream.stop()


def secured(engine: Upstream, name: str = NAME, **fields: Any) -> Backend:
    return backend(engine, tls=Tls(server_name=name, ca="ca", **fields))


def authorities(authority: trustme.CA) -> dict[str, bytes]:
    return {"ca": authority.cert_pem.bytes()}


async def test_unary_and_stream_over_tls(start_router: StartRouter, engine: TlsUpstream, authority: trustme.CA) -> None:
    target = secured(engine)
    router = await start_router(config(policy(target), target), authorities(authority))
    client = await router.connect()
    assert (await client.ask(ASK)).status == 200
    engine.reply = DONE_STREAM
    assert (await client.ask(STREAM)).body == HELLO + LAST + DONE
    assert engine.names == [NAME]
    assert engine.accepted == 1


async def test_a_certificate_for_another_name_is_refused(
    start_router: StartRouter, engine: TlsUpstream, authority: trustme.CA
) -> None:
    target = secured(engine, "other.test")
    router = await start_router(config(policy(target), target), authorities(authority))
    answer = await (await router.connect()).ask(ASK)
    assert answer.status == 502
    assert answer.json["error"]["message"] == "Target engine: cannot connect."
    assert router.entries()[-1]["detail"].startswith("certificate: ")
    assert not engine.requests


async def test_an_unknown_authority_is_refused(start_router: StartRouter, engine: TlsUpstream) -> None:
    target = secured(engine)
    router = await start_router(config(policy(target), target), authorities(trustme.CA()))
    answer = await (await router.connect()).ask(ASK)
    assert (answer.status, answer.code) == (502, "upstream_error")
    assert not engine.requests


async def test_a_client_certificate(start_router: StartRouter, authority: trustme.CA) -> None:
    ours = trustme.CA()
    upstream = await TlsUpstream().start_tls(authority, ours)
    try:
        issued = ours.issue_cert("router.test")
        secrets = {
            **authorities(authority),
            "crt": b"".join(each.bytes() for each in issued.cert_chain_pems),
            "key": issued.private_key_pem.bytes(),
        }
        target = secured(upstream, certificate="crt", key="key")
        router = await start_router(config(policy(target), target), secrets)
        client = await router.connect()
        assert (await client.ask(ASK)).status == 200
        without = secured(upstream)
        router.configure(config(policy(without), without), secrets)
        assert (await client.ask(ASK)).status == 502
        assert len(upstream.requests) == 1
    finally:
        await upstream.stop()


async def test_a_new_client_certificate_is_shown_after_a_reload_and_no_request_fails(
    start_router: StartRouter, authority: trustme.CA
) -> None:
    ours = trustme.CA()
    upstream = await TlsUpstream().start_tls(authority, ours)

    def pair(name: str) -> dict[str, bytes]:
        issued = ours.issue_cert(name)
        chain = b"".join(each.bytes() for each in issued.cert_chain_pems)
        return {**authorities(authority), "crt": chain, "key": issued.private_key_pem.bytes()}

    target = secured(upstream, certificate="crt", key="key")
    configuration = config(policy(target), target)
    router = await start_router(configuration, pair("old.test"))
    statuses: list[int] = []
    stopped = False

    async def traffic() -> None:
        client = await router.connect()
        while not stopped:
            statuses.append((await client.ask(ASK)).status)

    try:
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(traffic())
            await until(lambda: len(statuses) > 20)
            with pytest.raises(ConfigRejectedError):  # what cannot be used changes nothing
                router.configure(configuration, {**pair("bad.test"), "key": b"nonsense"})
            router.configure(configuration, pair("new.test"))
            asked = len(upstream.requests)
            await until(lambda: len(upstream.requests) > asked + 20)
            await until(lambda: upstream.closed >= upstream.clients.count("old.test"))
            stopped = True
        assert set(statuses) == {200}
        assert set(upstream.clients) == {"old.test", "new.test"}
        assert upstream.clients[-1] == "new.test"
    finally:
        await upstream.stop()


class ConnectProxy:
    """A proxy that knows where one name leads."""

    def __init__(self, target: Address, answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n") -> None:
        self._target = target
        self._answer = answer
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.heads: list[bytes] = []

    async def start(self) -> "ConnectProxy":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://user:pass%40word@127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def stop(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        far_reader, far_writer = await asyncio.open_connection(self._target.host, self._target.port)
        self._writers += (writer, far_writer)
        writer.write(self._answer)
        self._tasks += (
            asyncio.create_task(_copy(reader, far_writer)),
            asyncio.create_task(_copy(far_reader, writer)),
        )


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


def through_proxy(engine: Upstream) -> Backend:
    # No address rule applies to what the proxy resolves; the name is not even known here.
    return backend(engine, endpoints=(), dns=Address(host=NAME, port=443), tls=Tls(server_name=NAME, ca="ca"))


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
async def test_https_goes_through_the_proxy(
    start_router: StartRouter,
    engine: TlsUpstream,
    authority: trustme.CA,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    proxy = await ConnectProxy(engine.address).start()
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv(variable, proxy.url)
    try:
        target = through_proxy(engine)
        router = await start_router(config(policy(target), target), authorities(authority))
        assert router.proxy.live is not None
        await until(lambda: router.proxy.live and router.proxy.live.backends[target.name].endpoints)
        client = await router.connect()
        assert [(await client.ask(ASK)).status for _ in range(2)] == [200, 200]
        [head] = proxy.heads
        assert head.startswith(b"CONNECT engine.test:443 HTTP/1.1\r\nhost: engine.test:443\r\n")
        assert b"proxy-authorization: Basic dXNlcjpwYXNzQHdvcmQ=\r\n" in head
        assert engine.names == [NAME]
    finally:
        await proxy.stop()


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nmore", b"nonsense\r\n\r\n"],
)
async def test_a_proxy_that_refuses(
    start_router: StartRouter,
    engine: TlsUpstream,
    authority: trustme.CA,
    monkeypatch: pytest.MonkeyPatch,
    answer: bytes,
) -> None:
    proxy = await ConnectProxy(engine.address, answer).start()
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    try:
        target = through_proxy(engine)
        router = await start_router(config(policy(target), target), authorities(authority))
        assert router.proxy.live is not None
        await until(lambda: router.proxy.live and router.proxy.live.backends[target.name].endpoints)
        got = await (await router.connect()).ask(ASK)
        assert (got.status, got.code) == (502, "upstream_error")
        assert not engine.requests
    finally:
        await proxy.stop()


async def test_the_proxy_is_not_for_exceptions_and_not_for_plain_http(
    start_router: StartRouter,
    engine: TlsUpstream,
    upstream: Upstream,
    authority: trustme.CA,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "example.com, 127.0.0.0/8")
    target = secured(engine)
    router = await start_router(config(policy(target), target), authorities(authority))
    assert (await (await router.connect()).ask(ASK)).status == 200
    monkeypatch.setenv("NO_PROXY", "")
    plain = backend(upstream)
    other = await start_router(config(policy(plain), plain))
    assert (await (await other.connect()).ask(ASK)).status == 200
