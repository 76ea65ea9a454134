"""Connections that have ended leave nothing to the collector of garbage, which rarely looks for what lived long."""

import gc
from collections import Counter
from collections.abc import Iterator

import pytest

from harness import (
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

STREAM = STREAM_HEAD + chunk(event({"content": "a"})) + chunk(DONE) + chunk(b"")
CHAT = request(body=chat())


@pytest.fixture
async def router(start_router: StartRouter, upstream: Upstream) -> Router:
    target = backend(upstream)
    return await start_router(config(policy(target), target))


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def left(router: Router) -> Counter[str]:
    """Objects of the router that live, by type."""
    router.log.flush()
    found = (type(each) for each in gc.get_objects())
    return Counter(
        each.__name__ for each in found if str(each.__module__).startswith(("signalbox.router.", "httptools."))
    )


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize(
    ("sent", "reply", "answers"),
    [
        pytest.param(b"", b"", 0, id="nothing asked"),
        pytest.param(CHAT, response(200, completion()), 1, id="a chat"),
        pytest.param(CHAT * 3, response(200, completion()), 3, id="a pipeline"),
        pytest.param(CHAT, response(200, completion(), "connection: close"), 1, id="the engine closes"),
        pytest.param(request(body=chat(stream=True)), STREAM, 1, id="a stream"),
        pytest.param(CHAT, b"HTTP/1.1 nonsense\r\n\r\n", 1, id="a broken answer"),
        pytest.param(
            request("POST", "/v1/chat/completions", "upgrade: h2c", "connection: upgrade", body=chat()),
            response(200, completion()),
            1,
            id="a wish for another protocol",
        ),
        pytest.param(request(body=b"{"), b"", 1, id="a bad body"),
        pytest.param(CHAT[:20], b"", 0, id="a part of a head"),
        pytest.param(CHAT[:-5], b"", 0, id="a part of a body"),
        pytest.param(b"nonsense\r\n\r\n", b"", 1, id="a bad head"),
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
async def test_nothing_is_left_of_a_client_that_leaves_while_it_waits(router: Router, upstream: Upstream) -> None:
    upstream.reply = response(200, completion())

    async def visit() -> None:
        gate = Gate(response(200, completion()))
        upstream.replies.append(gate)
        client = await router.connect()
        await client.send(CHAT)
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
