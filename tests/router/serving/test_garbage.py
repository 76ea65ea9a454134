"""Connections that have ended leave nothing to the collector of garbage, which rarely looks for what lived long."""

import asyncio
import ssl

import pytest
import trustme
from garbage import left

from harness import (
    CHAT,
    DONE,
    STREAM_HEAD,
    Gate,
    Router,
    StartRouter,
    Upstream,
    backend,
    chat,
    chunk,
    completion,
    config,
    event,
    policy,
    request,
    response,
)
from waiting import until

ASKED = request(body=chat())
STREAM = STREAM_HEAD + chunk(event({"content": "a"})) + chunk(DONE) + chunk(b"")


@pytest.fixture
async def router(start_router: StartRouter, upstream: Upstream) -> Router:
    target = backend(upstream)
    return await start_router(config(policy(target), target))


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize(
    ("sent", "reply", "answers"),
    [
        pytest.param(b"", b"", 0, id="nothing asked"),
        pytest.param(ASKED, response(200, completion()), 1, id="a chat"),
        pytest.param(ASKED * 3, response(200, completion()), 3, id="a pipeline"),
        pytest.param(ASKED, response(200, completion(), "connection: close"), 1, id="the engine closes"),
        pytest.param(request(body=chat(stream=True)), STREAM, 1, id="a stream"),
        pytest.param(ASKED, b"HTTP/1.1 nonsense\r\n\r\n", 1, id="a broken answer"),
        pytest.param(
            request("POST", CHAT, "upgrade: h2c", "connection: upgrade", body=chat()),
            response(200, completion()),
            1,
            id="a wish for another protocol",
        ),
        pytest.param(request(body=b"{"), b"", 1, id="a bad body"),
        pytest.param(ASKED[:20], b"", 0, id="a part of a head"),
        pytest.param(ASKED[:-5], b"", 0, id="a part of a body"),
        pytest.param(b"nonsense\r\n\r\n", b"", 1, id="a bad head"),
        pytest.param(request("POST", CHAT, "host: a", "host: b", body=chat()), b"", 1, id="a header twice"),
        pytest.param(request("POST", CHAT, "content-length: 99999999"), b"", 1, id="a body too large"),
        pytest.param(request("POST", CHAT, "expect: miracles", body=chat()), b"", 1, id="an expectation"),
    ],
)
async def test_nothing_is_left_of_a_connection(
    router: Router, upstream: Upstream, sent: bytes, reply: bytes, answers: int
) -> None:
    async def visit() -> None:
        upstream.reply = reply
        client = await router.connect()
        await client.send(sent)
        for _ in range(answers):
            await client.answer()
        await router.connections(1)
        client.leave()
        await router.connections(0)

    await visit()  # opens what is kept: connections to the engine, series of counters
    before = left(router)
    for _ in range(5):
        await visit()
    await until(lambda: not left(router) - before)
    assert before["Proxy"], "the names are those that are looked for"


@pytest.mark.usefixtures("no_collector")
async def test_nothing_is_left_of_a_handshake_that_never_ends(router: Router) -> None:
    issued = trustme.CA().issue_cert("router.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(context)
    server = await asyncio.get_running_loop().create_server(router.proxy.protocol, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]

    async def visit() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"no TLS")
        await reader.read()
        writer.close()

    await visit()
    before = left(router)
    for _ in range(5):
        await visit()
    await until(lambda: not left(router) - before)
    server.close()


@pytest.mark.usefixtures("no_collector")
async def test_nothing_is_left_of_a_client_that_leaves_while_it_waits(router: Router, upstream: Upstream) -> None:
    upstream.reply = response(200, completion())

    async def visit() -> None:
        gate = Gate(response(200, completion()))
        upstream.replies.append(gate)
        client = await router.connect()
        await client.send(ASKED)
        await upstream.wait_requests(1)
        upstream.requests.clear()
        client.leave()
        await router.connections(0)
        await gate.gone.wait()

    await visit()
    before = left(router)
    for _ in range(5):
        await visit()
    await until(lambda: not left(router) - before)
