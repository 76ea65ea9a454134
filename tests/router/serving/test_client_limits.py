"""Bounds on what a client may send, and on the room that it takes."""

import asyncio

import pytest
from roomy import BEGUN, LARGE, roomy

from harness import (
    CHAT,
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
    policy,
    request,
    response,
)
from signalbox.router.serving import client as client_module
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
