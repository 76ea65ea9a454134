"""Clients that send slowly, or read slowly: how long a router waits, and what it holds back meanwhile."""

import asyncio

import msgspec
import pytest
from roomy import BEGUN, LARGE, roomy

from harness import (
    CHAT,
    STREAM_HEAD,
    Gate,
    Message,
    Router,
    StartRouter,
    Upstream,
    chat,
    chunk,
    completion,
    event,
    request,
    response,
)
from signalbox.router.serving.client import MAX_PIPELINED
from waiting import until


@pytest.mark.parametrize(
    ("sent", "after"),
    [
        pytest.param(b"POST /v1/chat/completions HT", 11, id="head"),
        pytest.param(request("POST", CHAT, "content-length: 100") + b"{", 31, id="body"),
        pytest.param(request("POST", CHAT, "transfer-encoding: chunked") + b"1\r\n", 31, id="chunks"),
    ],
)
async def test_slow_clients(router: Router, upstream: Upstream, sent: bytes, after: float) -> None:
    client = await router.connect()
    await client.send(sent)
    (connection,) = await router.connections(1)
    await until(lambda: connection._reader.current)
    router.sweep(after=after - 2)
    assert connection._reader.current is not None
    router.sweep(after=after)
    answer = await client.answer()
    assert (answer.status, answer.code, answer.header("connection")) == (408, "request_timeout", b"close")
    assert await client.rest() == b""
    assert not upstream.requests


@pytest.mark.parametrize("apart", [False, True], ids=["in one read", "later"])
@pytest.mark.parametrize(
    ("begun", "after"),
    [
        pytest.param(b"POST /v1/chat/completions HT", 11, id="head"),
        pytest.param(BEGUN + LARGE[:100], 31, id="body"),
        pytest.param(request("POST", CHAT, "transfer-encoding: chunked") + chunk(LARGE[:100]), 31, id="chunks"),
        pytest.param(
            request("POST", CHAT, "expect: 100-continue", f"content-length: {len(LARGE)}"), 31, id="expecting"
        ),
    ],
)
async def test_what_is_read_behind_an_answer_has_no_more_time(
    router: Router, upstream: Upstream, begun: bytes, after: float, apart: bool
) -> None:
    slow = Gate(response(200, completion("first")))
    upstream.replies.append(slow)
    client = await router.connect()
    (connection,) = await router.connections(1)
    await client.send(request(body=chat()) + (b"" if apart else begun))
    await upstream.wait_requests(1)
    if apart:
        await client.send(begun)
    await until(lambda: connection._reader.current)
    held = router.proxy.room.held
    router.sweep(after=after - 2)
    assert router.proxy.room.held == held
    router.sweep(after=after)
    assert router.proxy.room.held == len(msgspec.json.encode(chat())), "only what is being answered"
    slow.open()
    assert b"first" in (await client.answer()).body
    refused = await client.answer()
    assert (refused.status, refused.code, refused.header("connection")) == (408, "request_timeout", b"close")
    assert await client.rest() == b""
    assert len(upstream.requests) == 1


async def test_each_body_behind_an_answer_has_its_own_time(router: Router, upstream: Upstream) -> None:
    slow = Gate(response(200, completion()))
    upstream.replies.append(slow)
    client = await router.connect()
    (connection,) = await router.connections(1)
    await client.send(request(body=chat()) + BEGUN + LARGE[:100])
    await upstream.wait_requests(1)
    await until(lambda: connection._reader.current)
    connection._deadline.at -= 20
    await client.send(LARGE[100:] + BEGUN + LARGE[:100])
    await until(lambda: len(connection._reader.ready) == 1)
    router.sweep(after=29)
    slow.open()
    for sent in (b"", b"", LARGE[100:]):
        assert (await client.ask(sent)).status == 200


async def test_whoever_keeps_up_behind_an_answer_is_served(router: Router, upstream: Upstream) -> None:
    slow = Gate(response(200, completion()))
    upstream.replies.append(slow)
    client = await router.connect()
    (connection,) = await router.connections(1)
    body = msgspec.json.encode(chat(text="x" * 1_000_000))
    await client.send(request(body=chat()) + request("POST", CHAT, f"content-length: {len(body)}"))
    await upstream.wait_requests(1)
    await client.send(body[:-1])
    await until(lambda: connection._reader.received == len(body) - 1)
    router.sweep(after=60)
    slow.open()
    assert (await client.answer()).status == 200
    assert (await client.ask(body[-1:])).status == 200


async def test_who_is_not_read_is_not_slow_unless_others_want_its_room(
    start_router: StartRouter, upstream: Upstream
) -> None:
    router = await roomy(start_router, upstream)
    slow = Gate(response(200, completion()))
    upstream.replies.append(slow)
    client, other = [await router.connect() for _ in range(2)]
    await client.send(request(body=chat()))
    await upstream.wait_requests(1)
    await client.send(request(body=chat()) * MAX_PIPELINED + BEGUN + LARGE[:100])
    await until(lambda: router.proxy.room.held > len(LARGE))
    router.sweep(after=50)
    assert router.proxy.room.held > len(LARGE)
    assert (await other.ask(BEGUN)).status == 503
    router.sweep(after=3)
    assert (await (await router.connect()).ask(BEGUN + LARGE)).status == 200
    slow.open()
    for _ in range(MAX_PIPELINED + 1):
        assert (await client.answer()).status == 200
    assert (await client.answer()).status == 408


async def test_a_refused_client_that_never_closes_is_closed(router: Router) -> None:
    client = await router.connect()
    assert (await client.ask(b"garbage\r\n\r\n")).status == 400
    await router.connections(1)
    router.sweep(after=6)
    await router.connections(0)


async def test_a_slow_reader_holds_back_its_endpoint(router: Router, upstream: Upstream) -> None:
    sent = 0

    async def flood(request: Message, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(STREAM_HEAD)
        piece = chunk(event({"content": "x" * 10_000}))
        for _ in range(5_000):
            writer.write(piece)
            await writer.drain()
            sent += 1
        writer.write(chunk(b"data: [DONE]\n\n") + chunk(b""))

    upstream.replies.append(flood)
    client = await router.connect()
    client.reader._limit = 1_000  # type: ignore[attr-defined]
    await client.send(request(body=chat(stream=True)))
    await router.settled(lambda: sent)
    (connection,) = await router.connections(1)
    assert connection.paused
    assert connection.transport.get_write_buffer_size() < 2 << 20
    assert sent < 4_000  # what the sockets hold, of 50 MB
    answer = await client.answer()
    assert answer.body.count(b'"content"') == 5_000
    assert answer.body.endswith(b"data: [DONE]\n\n")
    assert (await client.ask(request(body=chat()))).status == 200


async def test_a_reader_that_stops_for_good_is_dropped(router: Router, upstream: Upstream) -> None:
    upstream.replies.append(response(200, completion("x" * 30_000_000)))
    client = await router.connect()
    client.reader._limit = 1_000  # type: ignore[attr-defined]
    await client.send(request(body=chat()))
    (connection,) = await router.connections(1)
    await until(lambda: connection.paused)
    router.sweep(after=31)
    await router.connections(0)
    await upstream.wait_closed()


async def test_answers_that_nobody_reads_stop_the_pipeline(router: Router, upstream: Upstream) -> None:
    upstream.reply = response(200, completion("x" * 100_000))
    client = await router.connect()
    client.reader._limit = 1_000  # type: ignore[attr-defined]
    for _ in range(400):
        client.writer.write(request(body=chat()))
    (connection,) = await router.connections(1)
    await router.settled(lambda: connection.paused and len(upstream.requests))
    assert len(upstream.requests) < 200
    assert connection.transport.get_write_buffer_size() < 1 << 20
    for _ in range(400):
        assert (await client.answer()).status == 200


async def test_a_connection_kept_from_a_slow_reader_still_serves_others(router: Router, upstream: Upstream) -> None:
    upstream.reply = response(200, completion("x" * 900_000))
    slow, other = await router.connect(), await router.connect()
    slow.reader._limit = 1_000  # type: ignore[attr-defined]
    await slow.send(request(body=chat()) * 8)
    paused = None
    async with asyncio.timeout(10):
        while paused is None:
            await asyncio.sleep(0.001)
            paused = next((each for each in router.proxy._connections if each.paused), None)
    for _ in range(3):
        assert (await other.ask(request(body=chat()))).status == 200
    for _ in range(8):
        assert (await slow.answer()).status == 200
