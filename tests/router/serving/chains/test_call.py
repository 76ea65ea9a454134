"""Calls of the router's own: answered, tried elsewhere, failed, late, cancelled, and counted whatever came of them."""

import asyncio
import time
from typing import Any

import pytest
from scenes import DONE_STREAM, attempts, stream

from compiled import needs_python
from harness import (
    PATIENCE,
    Gate,
    Router,
    StartRouter,
    Upstream,
    backend,
    chat,
    completion,
    config,
    policy,
    response,
    within,
)
from signalbox.router.serving.chains.call import Call, CallFailed, Reply
from signalbox.router.serving.client import ClientConnection
from signalbox.router.serving.exchange import Exchange
from signalbox.router.serving.tries import MAX_TRIES
from signalbox.router.upstream.endpoint import Endpoint
from signalbox.router.wire.heads import Head
from signalbox.router.wire.usage import Usage
from signalbox.routing.config import Backend, Pricing
from signalbox.routing.strategies import OrderedChoice

TOO_LONG = response(400, {"error": {"message": "too long", "code": "context_length_exceeded"}})
PRICING = Pricing(input=1_000_000, output=10_000_000)


@pytest.fixture
async def targets(pair: tuple[Upstream, Upstream]) -> tuple[Backend, Backend]:
    """Two backends with prices, of one upstream each."""
    return backend(pair[0], pricing=PRICING), backend(pair[1], pricing=PRICING)


@pytest.fixture
async def asked(start_router: StartRouter, targets: tuple[Backend, Backend]) -> tuple[Router, Exchange]:
    """A router, and a request on whose behalf calls are made."""
    router = await start_router(config(policy(*targets), *targets))
    return router, on_behalf(router)


def on_behalf(router: Router) -> Exchange:
    live = router.proxy.live
    assert live is not None
    head = Head()
    head.headers = {b"x-team": b"blue", b"authorization": b"Bearer secret"}
    client = ClientConnection(router.proxy)
    client.request_id, client.speaks = b"r-1", "chat"
    return Exchange(client, live, live.policies["auto"], "", "chat", head, chat(text="the client's"), time.monotonic())


async def call(exchange: Exchange, *order: int, seconds: float = PATIENCE, **options: Any) -> Reply:
    made = Call(exchange, OrderedChoice(order), chat(text="a judge's"), **options)
    return await within(made.reply(time.monotonic() + seconds))


async def failure(exchange: Exchange, *order: int, **options: Any) -> CallFailed:
    with pytest.raises(CallFailed) as caught:
        await call(exchange, *order, **options)
    return caught.value


def calls(router: Router) -> dict[tuple[str, str], int]:
    """How many calls ended how: (target, outcome) to count."""
    return {(each.target, each.word): each.value for each in router.statistics.snapshot().calls}


async def test_an_answer_and_what_it_cost(asked: tuple[Router, Exchange], pair: tuple[Upstream, Upstream]) -> None:
    router, exchange = asked
    reply = await call(exchange, 1)
    assert (reply.status, reply.target, reply.usage) == (200, "second", Usage(10, 0, 5))
    assert reply.cost == 10 * PRICING.input + 5 * PRICING.output
    assert b'"second"' in reply.content
    assert reply.seconds > 0
    [request] = pair[1].requests
    assert request.json == chat("real-model", "a judge's")
    assert request.header("x-request-id") == b"r-1"
    assert request.header("traceparent") == exchange.traceparent
    assert request.header("x-team") is None
    assert calls(router) == {("second", "answered"): 1}
    assert attempts(router) == {("second", "success"): 1}
    spent = exchange.spent
    assert spent is not None
    assert (spent.calls, spent.tries, spent.input, spent.output, spent.cost) == (1, 1, 10, 5, reply.cost)
    [series] = router.statistics.snapshot().series
    assert (series.labels.target, series.statuses, series.cost_picos) == ("second", {}, reply.cost)
    assert (series.input_tokens.sum, series.output_tokens.sum) == (10, 5)


async def test_the_headers_of_the_client_but_not_its_key(
    asked: tuple[Router, Exchange], pair: tuple[Upstream, Upstream]
) -> None:
    await call(asked[1], 0, client_headers=True)
    [request] = pair[0].requests
    assert request.header("x-team") == b"blue"
    assert request.header("authorization") is None


async def test_another_target_of_the_set_stands_in(
    asked: tuple[Router, Exchange], pair: tuple[Upstream, Upstream]
) -> None:
    router, exchange = asked
    pair[0].reply = response(503, {})
    reply = await call(exchange, 0, 1)
    assert reply.target == "second"
    assert attempts(router) == {("first", "failure"): 1, ("second", "success"): 1}
    assert exchange.spent is not None
    assert (exchange.spent.calls, exchange.spent.tries) == (1, 2)
    assert calls(router) == {("second", "answered"): 1}


async def test_a_target_outside_of_the_set_does_not(
    asked: tuple[Router, Exchange], pair: tuple[Upstream, Upstream]
) -> None:
    router, exchange = asked
    pair[0].reply = response(503, {})
    error = await failure(exchange, 0)
    assert (error.outcome, error.refusal.status, error.target, error.reply) == ("failed", 502, "first", None)
    assert not pair[1].requests
    assert calls(router) == {("first", "failed"): 1}


async def test_tries_are_bounded(start_router: StartRouter, upstream: Upstream) -> None:
    upstream.reply = response(429, {})
    many = [backend(upstream, name=f"b{number}") for number in range(MAX_TRIES + 2)]
    router = await start_router(config(policy(*many), *many))
    error = await failure(on_behalf(router), *range(len(many)))
    assert (error.outcome, error.refusal.status) == ("failed", 429)
    assert len(upstream.requests) == MAX_TRIES


async def test_an_error_of_the_request_is_there_as_the_model_said_it(
    asked: tuple[Router, Exchange], pair: tuple[Upstream, Upstream]
) -> None:
    router, exchange = asked
    pair[0].reply = response(400, {"error": {"code": "content_filter", "message": "no"}})
    error = await failure(exchange, 0, 1)
    assert error.outcome == "refused"
    assert error.reply is not None
    assert (error.reply.status, b"content_filter" in error.reply.content) == (400, True)
    assert not pair[1].requests
    assert calls(router) == {("first", "refused"): 1}


async def test_a_larger_window_of_the_set_stands_in(start_router: StartRouter, pair: tuple[Upstream, Upstream]) -> None:
    small, large = backend(pair[0], context_window=4096), backend(pair[1], context_window=8192)
    router = await start_router(config(policy(small, large), small, large))
    pair[0].reply = TOO_LONG
    assert (await call(on_behalf(router), 0, 1)).target == "second"
    error = await failure(on_behalf(router), 0)
    assert (error.outcome, error.reply and error.reply.status) == ("refused", 400)


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (response(200, {"error": {"code": 503, "message": "full"}}), "failed"),
        (response(200, {"error": {"code": 400, "message": "bad"}}), "refused"),
        (DONE_STREAM, "failed"),
        (response(401, {}), "failed"),
    ],
)
async def test_what_is_no_answer(
    asked: tuple[Router, Exchange], pair: tuple[Upstream, Upstream], reply: bytes, outcome: str
) -> None:
    pair[0].reply = reply
    assert (await failure(asked[1], 0)).outcome == outcome


async def test_events_of_a_message_are_no_answer_either(start_router: StartRouter, upstream: Upstream) -> None:
    target = backend(upstream, format="Anthropic")
    upstream.reply = stream(
        b'event: content_block_delta\ndata: {"type": "content_block_delta", "index": 0, "delta": {"text": "hello"}}\n\n'
    )
    router = await start_router(config(policy(target), target))
    assert (await failure(on_behalf(router), 0)).outcome == "failed"


async def test_nobody_can_be_asked(start_router: StartRouter, pair: tuple[Upstream, Upstream]) -> None:
    plain, empty = backend(pair[0], features=()), backend([pair[1]], endpoints=())
    router = await start_router(config(policy(plain, empty), plain, empty))
    error = await failure(on_behalf(router), 1)
    assert (error.outcome, error.refusal.code, error.target) == ("unsent", "no_healthy_target", "")
    made = Call(on_behalf(router), OrderedChoice([0]), chat(logprobs=True))
    with pytest.raises(CallFailed, match="LogProbs"):
        await within(made.reply(time.monotonic() + PATIENCE))
    assert calls(router) == {("", "unsent"): 2}


async def test_one_that_is_late_is_closed_upstream(
    asked: tuple[Router, Exchange], pair: tuple[Upstream, Upstream]
) -> None:
    router, exchange = asked
    pair[0].reply = gate = Gate(response(200, completion()))
    error = await failure(exchange, 0, seconds=0.05)
    assert (error.outcome, error.refusal.status, error.target) == ("timeout", 504, "first")
    await within(gate.gone.wait())
    assert calls(router) == {("first", "timeout"): 1}
    assert attempts(router) == {("first", "abandoned"): 1}
    assert exchange.policy.backends[0].in_flight == 0
    assert not router.proxy._attempts


async def test_one_that_is_cancelled_is_closed_upstream(
    asked: tuple[Router, Exchange], pair: tuple[Upstream, Upstream]
) -> None:
    router, exchange = asked
    pair[0].reply = gate = Gate(response(200, completion()))
    asking = asyncio.ensure_future(call(exchange, 0))
    await pair[0].wait_requests(1)
    asking.cancel()
    await within(gate.gone.wait())
    assert calls(router) == {("first", "cancelled"): 1}
    assert exchange.policy.backends[0].in_flight == 0


async def test_the_time_of_the_target_is_over(asked: tuple[Router, Exchange], pair: tuple[Upstream, Upstream]) -> None:
    router, exchange = asked
    pair[0].reply = Gate(response(200, completion()))
    asking = asyncio.ensure_future(failure(exchange, 0, 1))
    await pair[0].wait_requests(1)
    router.sweep(after=3600)
    error = await within(asking)
    assert (error.outcome, error.refusal.status) == ("timeout", 504)
    assert not pair[1].requests


@needs_python
async def test_a_defect_reaches_who_waits(asked: tuple[Router, Exchange], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*of: object) -> None:
        raise ZeroDivisionError("a defect")

    router, exchange = asked
    monkeypatch.setattr(Call, "answer", broken)
    with pytest.raises(ZeroDivisionError):
        await call(exchange, 0)
    monkeypatch.setattr(Endpoint, "take", broken)
    with pytest.raises(ZeroDivisionError):
        await call(exchange, 0)
    assert exchange.policy.backends[0].in_flight == 0
    assert not router.proxy._attempts
