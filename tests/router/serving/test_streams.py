"""Event streams through the router: held until they begin, passed on byte by byte, and how they break."""

import asyncio

import msgspec
import pytest
from scenes import FULL, HELLO, LAST, ROLE, STREAM, USAGE, attempts, backends_of, in_order, stream

from harness import DONE, STREAM_HEAD, Message, Router, StartRouter, Upstream, chat, chunk, config, event, request
from signalbox.routing.config import Pricing
from waiting import until

BAD = b'data: {"error": {"message": "no such tool", "type": "BadRequestError", "param": "tools", "code": 400}}\n\n'


@pytest.fixture
async def failing_over(start_router: StartRouter, pair: tuple[Upstream, Upstream]) -> Router:
    backends = backends_of(pair, pricing=Pricing(input=100, output=1000, cached_input=10))
    return await start_router(config(in_order(*backends), *backends))


@pytest.mark.parametrize("whole", [True, False])
async def test_a_stream_passes_as_it_came_without_the_usage_that_only_the_router_asked_for(
    router: Router, upstream: Upstream, whole: bool
) -> None:
    pieces = (ROLE, HELLO, b": ping\n\n", HELLO, LAST, USAGE, DONE)
    sent = stream(*pieces)

    async def byte_by_byte(_: Message, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for at in range(len(sent)):
            writer.write(sent[at : at + 1])
            await writer.drain()
            await asyncio.sleep(0)

    upstream.reply = sent if whole else byte_by_byte
    client = await router.connect()
    for _ in range(2):
        answer = await client.ask(STREAM)
        assert answer.status == 200
        assert answer.header("content-type") == b"text/event-stream"
        assert answer.body == b"".join(pieces).replace(USAGE, b"")
    assert upstream.requests[0].json["stream_options"] == {"include_usage": True}
    assert upstream.accepted == 1
    assert [(e["inputTokens"], e["cachedTokens"], e["outputTokens"]) for e in router.entries()] == [(10, 4, 5)] * 2


async def test_usage_that_the_client_asked_for_passes(router: Router, upstream: Upstream) -> None:
    upstream.reply = stream(ROLE, HELLO, LAST, USAGE, DONE)
    client = await router.connect()
    answer = await client.ask(request(body=chat(stream=True, stream_options={"include_usage": True})))
    assert answer.body == ROLE + HELLO + LAST + USAGE + DONE


async def test_cost_is_counted_from_the_usage_of_a_stream(
    failing_over: Router, pair: tuple[Upstream, Upstream]
) -> None:
    pair[0].reply = stream(ROLE, HELLO, LAST, USAGE, DONE)
    client = await failing_over.connect()
    await client.ask(STREAM)
    [entry] = failing_over.entries()
    assert entry["cost"] == "0.00000000564"
    assert entry["ttftMs"] >= 0


async def test_the_head_is_held_until_there_is_content(router: Router, upstream: Upstream) -> None:
    more = asyncio.Event()

    async def hesitant(_: Message, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM_HEAD + chunk(ROLE))
        await more.wait()
        writer.write(b"".join(map(chunk, (HELLO, LAST, DONE, b""))))

    upstream.reply = hesitant
    client = await router.connect()
    await client.send(STREAM)
    await upstream.wait_requests(1)
    [attempt] = router.proxy.live.attempts if router.proxy.live else ()
    await until(lambda: attempt.events is not None and attempt.events.held_bytes == len(ROLE))
    assert not attempt.began
    more.set()
    assert (await client.answer()).body == ROLE + HELLO + LAST + DONE


@pytest.mark.parametrize(
    "answer",
    [
        stream(FULL, DONE),
        stream(ROLE, FULL, DONE),
        stream(FULL + DONE),
        stream(DONE),
        stream(ROLE, DONE),
        stream(),
        STREAM_HEAD + chunk(ROLE) + b"not a chunk",
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 24\r\n\r\n"
        + b'{"error": {"code": 503}}',
    ],
)
async def test_a_stream_that_fails_before_content_is_failed_over_and_never_seen(
    failing_over: Router, pair: tuple[Upstream, Upstream], answer: bytes
) -> None:
    pair[0].reply = answer
    pair[1].reply = stream(ROLE, HELLO, LAST, DONE)
    client = await failing_over.connect()
    got = await client.ask(STREAM)
    assert (got.status, got.header("x-signalbox-target")) == (200, b"second")
    assert got.body == ROLE + HELLO + LAST + DONE
    [entry] = failing_over.entries()
    assert entry["tries"] == 2
    assert attempts(failing_over) == {("first", "failure"): 1, ("second", "success"): 1}


async def test_an_endpoint_that_only_reports_errors_in_streams_is_ejected(
    failing_over: Router, pair: tuple[Upstream, Upstream]
) -> None:
    pair[0].reply = stream(FULL, DONE)
    pair[1].reply = stream(HELLO, LAST, DONE)
    client = await failing_over.connect()
    for _ in range(6):
        assert (await client.ask(STREAM)).status == 200
    assert len(pair[0].requests) == 3


async def test_the_clients_own_error_inside_a_stream_gets_its_status(
    failing_over: Router, pair: tuple[Upstream, Upstream]
) -> None:
    pair[0].reply = stream(BAD, DONE)
    client = await failing_over.connect()
    for _ in range(5):
        answer = await client.ask(STREAM)
        assert answer.status == 400
        assert answer.json["error"]["message"] == "no such tool"
    assert len(pair[0].requests) == 5
    assert not pair[1].requests


async def test_all_targets_full_in_their_streams(failing_over: Router, pair: tuple[Upstream, Upstream]) -> None:
    for each in pair:
        each.reply = stream(FULL, DONE)
    answer = await (await failing_over.connect()).ask(STREAM)
    assert (answer.status, answer.code) == (502, "upstream_error")
    assert answer.header("x-should-retry") == b"false"


@pytest.mark.parametrize("operation", ["chat/completions", "completions", "responses"])
async def test_an_error_after_content_ends_the_stream_in_its_own_form(
    router: Router, upstream: Upstream, operation: str
) -> None:
    if operation == "responses":
        content = b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"a"}\n\n'
        failure = b'event: error\ndata: {"type":"error","code":"server_error","message":"secret address"}\n\n'
    else:
        content, failure = HELLO, FULL
    upstream.reply = stream(content, failure, DONE)
    client = await router.connect()
    answer = await client.ask(request(path=f"/v1/{operation}", body=chat(stream=True)))
    assert answer.status == 200
    assert answer.body.startswith(content)
    assert b"[DONE]" not in answer.body
    last = answer.body[len(content) :]
    value = msgspec.json.decode(last.partition(b"data: ")[2])
    if operation == "responses":
        assert last.startswith(b"event: error\n")
        assert (value["type"], value["code"]) == ("error", "upstream_error")
    else:
        assert last.startswith(b"data: ")
        assert value["error"]["code"] == "upstream_error"
    [entry] = router.entries()
    assert (entry["status"], entry["error"]) == (502, "upstream_error")
    upstream.reply = stream(HELLO, LAST, DONE)
    assert (await client.ask(STREAM)).body == HELLO + LAST + DONE, "the client's connection goes on"


async def test_a_stream_cut_after_content_is_never_sent_twice(
    failing_over: Router, pair: tuple[Upstream, Upstream]
) -> None:
    async def cut(_: Message, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM_HEAD + chunk(ROLE) + chunk(HELLO) + chunk(HELLO + b"data: {"))
        await writer.drain()
        writer.close()

    pair[0].replies.extend((stream(HELLO, DONE), cut, cut))
    client = await failing_over.connect()
    assert (await client.ask(STREAM)).body == HELLO + DONE
    for _ in range(2):  # over a pooled connection first, then over a new one
        answer = await client.ask(STREAM)
        whole, _, last = answer.body.rpartition(b"data: ")
        assert whole == ROLE + HELLO + HELLO
        assert msgspec.json.decode(last)["error"]["code"] == "upstream_error"
    assert not pair[1].requests
    assert len(pair[0].requests) == 3


async def test_a_response_head_without_an_end_is_no_content(router: Router, upstream: Upstream) -> None:
    async def endless(_: Message, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM_HEAD)
        while True:
            writer.write(chunk(b": ping\n\n" * 4096))
            await writer.drain()

    upstream.reply = endless
    answer = await (await router.connect()).ask(STREAM)
    assert answer.status == 502


async def test_a_client_that_leaves_ends_the_upstreams_work(router: Router, upstream: Upstream) -> None:
    async def slowly(_: Message, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM_HEAD + chunk(HELLO))
        await reader.read()

    upstream.reply = slowly
    client = await router.connect()
    await client.send(STREAM)
    await client.answer(head_only=True)
    client.leave()
    await upstream.wait_closed()
    [entry] = router.entries()
    assert (entry["status"], entry["error"]) == (499, "client_closed")


async def test_a_slow_client_holds_back_the_upstream_and_only_its_own(router: Router, upstream: Upstream) -> None:
    """Back-pressure, and a pooled connection that can be read from although the last client was slow."""
    event_of_100_kb = event({"content": "x" * 100_000})
    written = 0

    async def torrent(_: Message, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(STREAM_HEAD)
        for _i in range(300):
            writer.write(chunk(event_of_100_kb))
            await writer.drain()
            written += 1
        writer.write(chunk(DONE) + chunk(b""))

    upstream.replies.append(torrent)
    slow, quick = await router.connect(), await router.connect()
    await slow.send(STREAM)
    await slow.answer(head_only=True)
    await until(lambda: any(a.connection and a.owner.paused for a in (router.proxy.live or router).attempts))  # type: ignore[union-attr]
    assert (await quick.ask(request(body=chat()))).status == 200
    assert written < 300
    body = bytearray()
    while not body.endswith(b"0\r\n\r\n"):
        body += await slow.reader.read(1 << 20)
    assert body.count(b"x" * 100_000) == 300
    for _ in range(3):
        assert (await quick.ask(request(body=chat()))).status == 200


async def test_a_slow_client_leaves_no_connection_unread(router: Router, upstream: Upstream) -> None:
    """The last part of an answer stops the reading; the next request over that connection is another client's."""
    upstream.replies.append(stream(HELLO, event({"content": "x" * 8_000_000}), DONE))
    slow, quick = await router.connect(), await router.connect()
    await slow.send(STREAM)
    await slow.answer(head_only=True)
    assert router.proxy.live is not None
    [endpoint] = router.proxy.live.backends["engine"].endpoints
    await until(lambda: endpoint.idle)
    assert (await quick.ask(request(body=chat()))).status == 200
    assert upstream.accepted == 1
