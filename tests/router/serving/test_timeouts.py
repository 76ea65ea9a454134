"""Time-outs of attempts. Time passes by sweeping as if it had; only connecting has a clock of its own."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace

import msgspec
import pytest
from scenes import ASK, DONE_STREAM, HELLO, LAST, STREAM, attempts, backends_of, in_order

from harness import DONE, STREAM_HEAD, Message, Router, StartRouter, Upstream, backend, chunk, config, policy
from signalbox.router.serving import proxy
from signalbox.routing.config import Address, Timeouts

LIMITS = Timeouts(first_token_ms=2_000, idle_ms=5_000, request_ms=20_000)


@pytest.fixture
async def timed(start_router: StartRouter, pair: tuple[Upstream, Upstream]) -> Router:
    backends = backends_of(pair, timeouts=LIMITS)
    pair[1].reply = DONE_STREAM
    return await start_router(config(in_order(*backends), *backends))


class Stall:
    """Sends a beginning, then nothing."""

    def __init__(self, beginning: bytes) -> None:
        self._beginning = beginning

    async def __call__(self, _: Message, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._beginning)
        await reader.read()


@pytest.mark.parametrize("beginning", [b"", STREAM_HEAD, STREAM_HEAD + chunk(b": ping\n\n")])
async def test_a_stream_without_a_first_token_goes_elsewhere(
    timed: Router, pair: tuple[Upstream, Upstream], beginning: bytes
) -> None:
    pair[0].reply = Stall(beginning)
    client = await timed.connect()
    await client.send(STREAM)
    await pair[0].wait_requests(1)
    timed.sweep(1.5)
    assert not pair[1].requests
    timed.sweep(2.5)
    answer = await client.answer()
    assert (answer.status, answer.header("x-signalbox-target")) == (200, b"second")
    await pair[0].wait_closed()
    assert attempts(timed)["first", "failure"] == 1


async def test_without_another_target_the_first_token_is_a_504(start_router: StartRouter, upstream: Upstream) -> None:
    target = backend(upstream, timeouts=LIMITS)
    router = await start_router(config(policy(target), target))
    upstream.reply = Stall(b"")
    client = await router.connect()
    await client.send(STREAM)
    await upstream.wait_requests(1)
    router.sweep(2.5)
    answer = await client.answer()
    assert (answer.status, answer.code, answer.header("x-should-retry")) == (504, "upstream_timeout", b"false")


async def test_the_whole_request_is_never_retried(timed: Router, pair: tuple[Upstream, Upstream]) -> None:
    pair[0].reply = Stall(b"")
    client = await timed.connect()
    await client.send(ASK)
    await pair[0].wait_requests(1)
    timed.sweep(19.0)  # firstToken and idle are for streams
    timed.sweep(20.5)
    answer = await client.answer()
    assert (answer.status, answer.code) == (504, "upstream_timeout")
    assert not pair[1].requests
    [entry] = timed.entries()
    assert (entry["status"], entry["error"]) == (504, "upstream_timeout")


@pytest.mark.parametrize("after", [5.5, 20.5])
async def test_a_stream_that_freezes_ends_with_an_error_event(
    timed: Router, pair: tuple[Upstream, Upstream], after: float
) -> None:
    pair[0].reply = Stall(STREAM_HEAD + chunk(HELLO))
    client = await timed.connect()
    await client.send(STREAM)
    await client.answer(head_only=True)
    timed.sweep(4.5)
    timed.sweep(after)
    raw = await client.reader.readuntil(b"0\r\n\r\n")
    assert HELLO in raw
    assert b'"upstream_timeout"' in raw
    assert b"[DONE]" not in raw
    assert not pair[1].requests
    assert attempts(timed) == {("first", "failure"): 1}


async def test_a_large_answer_that_freezes_is_cut(timed: Router, pair: tuple[Upstream, Upstream]) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 3000000\r\n\r\n"
    pair[0].reply = Stall(head + bytes(2_000_000))
    client = await timed.connect()
    await client.send(ASK)
    assert (await client.answer(head_only=True)).header("content-length") == b"3000000"
    timed.sweep(20.5)
    assert len(await client.rest()) < 3_000_000


@pytest.fixture
async def silent_address() -> AsyncIterator[Address]:
    """A port that accepts nothing: its queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(address)
            fillers.append(filler)
        yield Address(host=address[0], port=address[1])
        for filler in fillers:
            filler.close()


async def test_a_connection_that_is_never_made(
    start_router: StartRouter, pair: tuple[Upstream, Upstream], silent_address: Address
) -> None:
    first = backend(pair[0], endpoints=(silent_address,), timeouts=Timeouts(connect_ms=50))
    second = backend(pair[1])
    router = await start_router(config(in_order(first, second), first, second))
    client = await router.connect()
    assert (await client.ask(ASK)).header("x-signalbox-target") == b"second"
    router.configure(config(policy(first), first))
    answer = await client.ask(ASK)
    assert (answer.status, answer.code) == (504, "upstream_timeout")
    assert answer.json["error"]["message"] == "Target first: cannot connect."
    assert router.entries()[-1]["detail"] == "connect time-out"


async def test_patience_with_a_hung_endpoint_ends_before_its_time_outs(
    start_router: StartRouter, pair: tuple[Upstream, Upstream]
) -> None:
    """Three that wait in vain put it out; then nobody waits for it any longer, where another target would serve."""
    backends = backends_of(pair)
    router = await start_router(config(in_order(*backends), *backends))
    pair[0].reply = Stall(b"")
    pair[1].reply = DONE_STREAM
    clients = [await router.connect() for _ in range(3)]
    for each in clients:
        await each.send(STREAM)
    await pair[0].wait_requests(3)
    router.sweep(9.0)
    assert not pair[1].requests
    router.sweep(11.0)
    router.sweep(11.25)
    for each in clients:
        assert (await each.answer()).header("x-signalbox-target") == b"second"
    other = await router.connect()
    assert (await other.ask(STREAM)).header("x-signalbox-target") == b"second"
    assert len(pair[0].requests) == 3


async def test_what_came_during_a_standstill_is_read_before_anybody_is_late(
    timed: Router, pair: tuple[Upstream, Upstream], monkeypatch: pytest.MonkeyPatch
) -> None:
    sockets: list[int] = []

    async def begin(_: Message, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sockets.append(writer.get_extra_info("socket").fileno())
        writer.write(STREAM_HEAD + chunk(HELLO))
        await reader.read()

    def stand_still() -> None:
        os.write(sockets[0], chunk(LAST) + chunk(DONE) + chunk(b""))
        monkeypatch.setattr(proxy, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + 1_000))

    pair[0].reply = begin
    client = await timed.connect()
    await client.send(STREAM)
    await client.answer(head_only=True)
    # Both timers are due when the loop goes on: the one that stands still, and that of the sweep.
    asyncio.get_running_loop().call_later(0.01, stand_still)
    asyncio.get_running_loop().call_soon(time.sleep, proxy.SWEEP_SECONDS + 0.05)
    raw = await client.reader.readuntil(b"0\r\n\r\n")
    assert DONE in raw
    assert b"upstream_timeout" not in raw


async def test_a_slow_client_is_not_the_endpoints_fault(timed: Router, pair: tuple[Upstream, Upstream]) -> None:
    big = b"data: " + msgspec.json.encode({"choices": [{"delta": {"content": "x" * 8_000_000}}]}) + b"\n\n"
    pair[0].reply = Stall(STREAM_HEAD + chunk(HELLO) + chunk(big))
    client = await timed.connect()
    await client.send(STREAM)
    await client.answer(head_only=True)
    live = timed.proxy.live
    assert live is not None
    [attempt] = live.attempts
    async with asyncio.timeout(10):
        while not attempt.owner.paused:
            await asyncio.sleep(0.002)
    timed.sweep(6.0)
    assert not attempt.cancelled
    timed.sweep(20.5)
    assert attempt.cancelled
    assert live.backends["first"].endpoints[0].health.admits(attempt.started_at + 21)
