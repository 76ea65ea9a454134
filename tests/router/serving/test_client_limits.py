"""Bounds on what a client may send, and on the time that it may take."""

import asyncio

import msgspec
import pytest

from harness import (
    CHAT,
    STREAM_HEAD,
    Gate,
    Message,
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
from signalbox.router.serving import client as client_module
from signalbox.router.serving.client import MAX_PIPELINED
from signalbox.router.wire.room import UNWEIGHED_BYTES
from waiting import until


async def small(start_router: StartRouter, upstream: Upstream) -> Router:
    target = backend(upstream)
    return await start_router(config(policy(target), target), max_body_bytes=10_000, max_header_bytes=4_000)


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(["x-large: " + "a" * 5_000], id="one large"),
        pytest.param([f"x-{number}: {'a' * 50}" for number in range(100)], id="large together"),
        pytest.param([f"x-{number}: a" for number in range(200)], id="many"),
        pytest.param(["x-same: a" + "a" * 40] * 100, id="repeated"),
    ],
)
async def test_header_bombs(start_router: StartRouter, upstream: Upstream, lines: list[str]) -> None:
    router = await small(start_router, upstream)
    client = await router.connect()
    await client.send(request("POST", CHAT, *lines, body=chat()))
    answer = await client.answer()
    assert (answer.status, answer.code, answer.header("connection")) == (431, "header_too_large", b"close")
    assert await client.rest() == b""
    assert not upstream.requests


async def test_bombs_that_never_end(start_router: StartRouter, upstream: Upstream) -> None:
    router = await small(start_router, upstream)
    for start in (b"GET /", b"GET / HTTP/1.1\r\nx-", b"GET / HTTP/1.1\r\nx: ", b"\r\n"):
        client = await router.connect()
        await client.send(start)
        for _ in range(10):
            await client.send((b"\r\n" if start == b"\r\n" else b"aa") * 500)
        answer = await client.answer()
        assert (answer.status, answer.header("connection")) == (431, b"close")


@pytest.mark.parametrize("framing", ["extension", "trailer", "tiny chunks"])
async def test_framing_bombs(start_router: StartRouter, upstream: Upstream, framing: str) -> None:
    router = await small(start_router, upstream)
    client = await router.connect()
    await client.send(request("POST", CHAT, "transfer-encoding: chunked"))
    (connection,) = await router.connections(1)
    await until(lambda: not connection._reader.in_head)
    await client.send({"extension": b"1;", "trailer": b"0\r\nx: ", "tiny chunks": b""}[framing])
    for _ in range(10):
        await client.send(b"000000000000001;abcdef\r\n{\r\n" * 40 if framing == "tiny chunks" else b"a" * 1_000)
    answer = await client.answer()
    assert (answer.status, answer.header("connection")) == (400, b"close")
    assert not upstream.requests


async def test_a_large_head_within_the_limit(router: Router, upstream: Upstream) -> None:
    client = await router.connect()
    answer = await client.ask(request("POST", CHAT + "?" + "q" * 20_000, "x-large: " + "a" * 40_000, body=chat()))
    assert answer.status == 200
    assert len(upstream.requests[0].header("x-large") or b"") == 40_000


async def test_a_declared_body_over_the_limit_is_refused_before_it_comes(
    start_router: StartRouter, upstream: Upstream
) -> None:
    router = await small(start_router, upstream)
    client = await router.connect()
    answer = await client.ask(request("POST", CHAT, "content-length: 10001"))
    assert (answer.status, answer.code, answer.header("connection")) == (413, "request_too_large", b"close")
    assert await client.rest() == b""


async def test_a_chunked_body_over_the_limit(start_router: StartRouter, upstream: Upstream) -> None:
    router = await small(start_router, upstream)
    client = await router.connect()
    await client.send(request("POST", CHAT, "transfer-encoding: chunked"))
    for _ in range(11):
        await client.send(chunk(b" " * 1_000))
    answer = await client.answer()
    assert (answer.status, answer.header("connection")) == (413, b"close")
    assert await client.rest() == b""
    assert not upstream.requests


async def test_whoever_is_refused_while_sending_can_still_read_why(
    start_router: StartRouter, upstream: Upstream
) -> None:
    router = await small(start_router, upstream)
    client = await router.connect()
    client.writer.write(request("POST", CHAT, "content-length: 20000000") + b"x" * 20_000_000)
    answer = await client.answer()  # without a lingering close, the reset could overtake it
    assert answer.status == 413
    await asyncio.wait_for(client.writer.drain(), 10)


async def test_the_largest_body(start_router: StartRouter, upstream: Upstream) -> None:
    router = await small(start_router, upstream)
    empty = request(body=chat(text=""))
    rest = 10_000 - len(empty.split(b"\r\n\r\n")[1])
    client = await router.connect()
    assert (await client.ask(request(body=chat(text="x" * rest)))).status == 200
    assert (await client.ask(request(body=chat(text="x" * (rest + 1))))).status == 413


async def roomy(start_router: StartRouter, upstream: Upstream) -> Router:
    """Room for one body of 70 kB, beside small ones."""
    target = backend(upstream)
    return await start_router(config(policy(target), target), max_bodies_bytes=120_000)


LARGE = msgspec.json.encode(chat(text="x" * 70_000))
BEGUN = request("POST", CHAT, f"content-length: {len(LARGE)}")


@pytest.mark.parametrize("times", [1, 2], ids=["a new head", "the same head again"])
async def test_bodies_beyond_the_room_for_all_are_refused_at_their_head(
    start_router: StartRouter, upstream: Upstream, times: int
) -> None:
    router = await roomy(start_router, upstream)
    first, second, third = [await router.connect() for _ in range(3)]
    for _ in range(times - 1):
        assert (await second.ask(BEGUN + LARGE)).status == 200
    await first.send(BEGUN + LARGE[:100])
    await until(lambda: router.proxy.room.held == len(LARGE))
    refused = await second.ask(BEGUN)
    assert (refused.status, refused.code, refused.header("retry-after")) == (503, "too_many_bodies", b"1")
    assert await second.rest() == b""
    assert (await third.ask(request(body=chat()))).status == 200, "a small one has room"
    assert (await first.ask(LARGE[100:])).status == 200, "what was begun can end"
    assert (await third.ask(BEGUN + LARGE)).status == 200
    assert router.proxy.room.held == 0


async def test_chunked_bodies_take_room_as_they_come(start_router: StartRouter, upstream: Upstream) -> None:
    router = await roomy(start_router, upstream)
    first, second = [await router.connect() for _ in range(2)]
    for client in (first, second):
        await client.send(request("POST", CHAT, "transfer-encoding: chunked") + chunk(LARGE[:40_000]))
    await until(lambda: router.proxy.room.held == 80_000)
    refused = await first.ask(chunk(LARGE[40_000:]))
    assert (refused.status, refused.code) == (503, "too_many_bodies")
    assert (await second.ask(chunk(LARGE[40_000:]) + chunk(b""))).status == 200


async def test_a_body_takes_room_until_its_request_has_ended(start_router: StartRouter, upstream: Upstream) -> None:
    router = await roomy(start_router, upstream)
    answering = asyncio.Event()

    async def wait(request: Message, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answering.wait()
        writer.write(response(200, completion()))

    upstream.replies.append(wait)
    first, second = [await router.connect() for _ in range(2)]
    await first.send(BEGUN + LARGE)
    await until(lambda: upstream.requests)
    assert (await second.ask(BEGUN)).status == 503
    answering.set()
    assert (await first.answer()).status == 200
    assert router.proxy.room.held == 0


@pytest.mark.parametrize(
    ("value", "size"),
    [
        pytest.param(b"[]", 1_600_000, id="lists"),
        pytest.param(b'{"":[]}', 2_100_000, id="objects and lists"),
        pytest.param(b'""', 7_000_000, id="strings"),
    ],
)
async def test_a_body_of_too_many_values_is_refused(
    router: Router, upstream: Upstream, value: bytes, size: int
) -> None:
    client = await router.connect()
    body = b'{"model":"auto","x":[%b]}' % b",".join([value] * (size // (len(value) + 1)))
    answer = await client.ask(request(body=body))
    assert (answer.status, answer.code) == (400, "too_complex")
    assert router.proxy.room.held == 0
    text = {"model": "auto", "messages": [{"role": "user", "content": (value * size)[:3_000_000].decode()}]}
    assert (await client.ask(request(body=text))).status == 200, "in a prompt, it is text"
    assert len(upstream.requests) == 1


async def test_no_depth_of_a_body_is_a_defect(
    router: Router, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "UNWEIGHED_BYTES", -1)
    client = await router.connect()
    statuses = []
    for depth in range(900, 1_000):
        nested = b'{"":' * depth + b"0" + b"}" * depth
        statuses.append((await client.ask(request(body=b'{"model":"auto","x":%b}' % nested))).status)
    assert statuses == sorted(statuses)
    assert set(statuses) == {200, 400}


async def test_what_bodies_take_once_decoded_is_bounded(start_router: StartRouter, upstream: Upstream) -> None:
    target = backend(upstream)
    router = await start_router(config(policy(target), target), max_bodies_bytes=8 << 20)
    slow = Gate(response(200, completion()))
    upstream.replies += [slow, slow]
    filling, first, second, third = [await router.connect() for _ in range(4)]
    await filling.send(request("POST", CHAT, f"content-length: {UNWEIGHED_BYTES + 1}"))
    await until(lambda: router.proxy.room.held)
    begun = router.proxy.room.held
    values = request(body={"model": "auto", "x": [[]] * 30_000})  # 90 kB, which become 3 MB
    await first.send(values)
    await upstream.wait_requests(1)
    assert 3_000_000 < router.proxy.room.held < 5_000_000
    refused = await second.ask(values)
    assert (refused.status, refused.code, refused.header("retry-after")) == (503, "too_many_bodies", b"1")
    await third.send(request(body=chat(text="[],[]," * 15_000)))
    await upstream.wait_requests(2)
    slow.open()
    assert (await third.answer()).status == 200, "the same in a text"
    assert (await first.answer()).status == 200
    assert router.proxy.room.held == begun
    assert (await first.ask(values)).status == 200


async def test_whoever_leaves_gives_back_its_room(start_router: StartRouter, upstream: Upstream) -> None:
    router = await roomy(start_router, upstream)
    client = await router.connect()
    await client.send(BEGUN + LARGE[:100])
    await until(lambda: router.proxy.room.held)
    client.leave()
    await until(lambda: not router.proxy.room.held)


async def test_room_that_others_want_is_not_for_the_slow(start_router: StartRouter, upstream: Upstream) -> None:
    router = await roomy(start_router, upstream)
    slow, other = [await router.connect() for _ in range(2)]
    await slow.send(BEGUN + LARGE[:100])
    await until(lambda: router.proxy.room.held)
    router.sweep(after=10)
    assert router.proxy.room.held, "nobody else wants it"
    assert (await other.ask(BEGUN)).status == 503
    router.sweep(after=1)
    assert router.proxy.room.held, "it has just begun"
    other = await router.connect()
    assert (await other.ask(BEGUN)).status == 503
    router.sweep(after=3)
    assert (await slow.answer()).status == 408
    other = await router.connect()
    assert (await other.ask(BEGUN + LARGE)).status == 200


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
