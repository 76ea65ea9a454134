"""What an upstream's answer means for the client, for the next target and for the endpoint's health."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from scenes import ASK, HELLO, attempts, backends_of, in_order, stream

from harness import (
    Gate,
    Message,
    Router,
    StartRouter,
    StartUpstream,
    Upstream,
    backend,
    chat,
    completion,
    config,
    policy,
    request,
    response,
)
from signalbox.routing.config import ApiKey, Header, Limits, Pricing, RequestMapping, Route, Share, Weighted


def refusal(status: int, code: str, *headers: str) -> bytes:
    return response(status, {"error": {"message": "no", "type": "x", "param": None, "code": code}}, *headers)


async def cut_head(_: Message, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-")
    await writer.drain()
    writer.close()


async def cut_body(_: Message, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(response(200, completion())[:-20])
    await writer.drain()
    writer.close()


async def reset(_: Message, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


@pytest.fixture
async def failing_over(start_router: StartRouter, pair: tuple[Upstream, Upstream]) -> Router:
    backends = backends_of(pair, pricing=Pricing(input=100, output=1000))
    return await start_router(config(in_order(*backends), *backends))


def health(router: Router, name: str) -> Any:
    assert router.proxy.live is not None
    return router.proxy.live.backends[name].endpoints[0].health


async def test_an_answer_passes_as_it_came_and_is_counted(
    failing_over: Router, pair: tuple[Upstream, Upstream]
) -> None:
    content = b'{ "id":"x",\n "choices": [],"usage":{"prompt_tokens":10,"completion_tokens":5}, "other": "\xc3\xa9" }'
    pair[0].reply = response(200, content, "x-own: 1")
    client = await failing_over.connect()
    answer = await client.ask(ASK)
    assert (answer.status, answer.body, answer.header("x-own")) == (200, content, b"1")
    [entry] = failing_over.entries()
    assert (entry["inputTokens"], entry["outputTokens"], entry["cost"]) == (10, 5, "0.000000006")
    assert attempts(failing_over) == {("first", "success"): 1}


@pytest.mark.parametrize(
    "answer", [refusal(s, "x") for s in (408, 500, 502, 503, 504, 529)] + [cut_head, cut_body, reset]
)
async def test_a_failure_is_hidden_and_counts_against_the_endpoint(
    failing_over: Router, pair: tuple[Upstream, Upstream], answer: Any
) -> None:
    pair[0].reply = answer
    client = await failing_over.connect()
    for _ in range(6):
        got = await client.ask(ASK)
        assert (got.status, got.header("x-signalbox-target")) == (200, b"second")
        assert got.header("x-should-retry") is None
    assert len(pair[0].requests) == 3, "then it is ejected"
    assert health(failing_over, "first").ejected
    assert attempts(failing_over) == {("first", "failure"): 3, ("second", "success"): 6}


async def test_nobody_there(failing_over: Router, pair: tuple[Upstream, Upstream]) -> None:
    await pair[0].stop()
    client = await failing_over.connect()
    assert (await client.ask(ASK)).status == 200
    await pair[1].stop()
    got = await client.ask(ASK)
    assert (got.status, got.code, got.header("x-should-retry")) == (502, "upstream_error", b"false")


async def test_another_endpoint_of_the_same_target_comes_first(
    start_router: StartRouter, start_upstream: StartUpstream
) -> None:
    bad, good, other = [await start_upstream(name) for name in ("bad", "good", "other")]
    bad.reply = refusal(500, "x")
    targets = backend((bad, good), "first"), backend(other, "second")
    router = await start_router(config(in_order(*targets), *targets))
    client = await router.connect()
    for _ in range(20):
        assert (await client.ask(ASK)).json["choices"][0]["message"]["content"] == "good"
    assert bad.requests
    assert not other.requests


async def test_busy_is_cooled_down_and_never_ejected(failing_over: Router, pair: tuple[Upstream, Upstream]) -> None:
    pair[0].reply = refusal(429, "rate_limit_exceeded", "retry-after: 7")
    client = await failing_over.connect()
    for _ in range(5):
        assert (await client.ask(ASK)).header("x-signalbox-target") == b"second"
    assert len(pair[0].requests) == 1
    assert not health(failing_over, "first").ejected
    assert attempts(failing_over)["first", "busy"] == 1
    pair[1].reply = refusal(429, "rate_limit_exceeded", "retry-after: 9")
    last = await client.ask(ASK)
    assert (last.status, last.code, last.header("retry-after")) == (429, "rate_limit_exceeded", b"9")
    full = await client.ask(ASK)
    assert (full.status, full.code, full.header("retry-after")) == (429, "rate_limit_exceeded", b"7")
    assert len(pair[1].requests) == 6


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_misconfigured_backend_is_never_the_clients_fault(
    failing_over: Router, pair: tuple[Upstream, Upstream], status: int
) -> None:
    pair[0].reply = refusal(status, "invalid_api_key", "www-authenticate: Bearer")
    client = await failing_over.connect()
    assert (await client.ask(ASK)).header("x-signalbox-target") == b"second"
    pair[1].reply = refusal(status, "invalid_api_key")
    got = await client.ask(ASK)
    assert (got.status, got.code) == (502, "upstream_auth")
    assert got.header("www-authenticate") is None
    assert attempts(failing_over)["first", "misconfigured"] == 2


@pytest.mark.parametrize("status", [400, 402, 409, 413, 422, 501])
async def test_the_clients_own_errors_pass_and_touch_nothing(
    failing_over: Router, pair: tuple[Upstream, Upstream], status: int
) -> None:
    pair[0].reply = refusal(status, "unsupported_value", "x-own: 1")
    client = await failing_over.connect()
    for _ in range(12):
        got = await client.ask(ASK)
        assert (got.status, got.code, got.header("x-own")) == (status, "unsupported_value", b"1")
    assert not pair[1].requests
    assert not health(failing_over, "first").ejected
    assert failing_over.proxy.live is not None
    assert failing_over.proxy.live.backends["first"].error_rate == 0.0


LONG = refusal(400, "context_length_exceeded")


@pytest.mark.parametrize("answer", [LONG, stream(b'data: {"error": {"code": "context_length_exceeded"}}\n\n')])
async def test_a_prompt_that_is_too_long_goes_to_a_larger_window(
    start_router: StartRouter, start_upstream: StartUpstream, answer: bytes
) -> None:
    small, same, large = [await start_upstream(name) for name in ("small", "same", "large")]
    targets = [
        backend(small, context_window=100),
        backend(same, context_window=100),
        backend(large, context_window=200),
    ]
    router = await start_router(config(in_order(*targets), *targets))
    client = await router.connect()
    small.reply = answer
    got = await client.ask(ASK)
    assert (got.status, got.header("x-signalbox-target")) == (200, b"large")
    assert not same.requests
    large.reply = LONG
    got = await client.ask(ASK)
    assert (got.status, got.code) == (400, "context_length_exceeded")
    assert not same.requests
    assert attempts(router)["small", "context_length"] == 2


async def test_a_prompt_that_is_too_long_is_no_probe_of_a_larger_window_that_is_down(
    start_router: StartRouter, pair: tuple[Upstream, Upstream]
) -> None:
    """It would be answered by a failure that says nothing of its length."""
    targets = backend(pair[0], context_window=100), backend(pair[1], context_window=200)
    router = await start_router(config(in_order(*targets), *targets))
    client = await router.connect()
    pair[0].reply, pair[1].reply = LONG, refusal(500, "x")
    while not health(router, "second").ejected:
        assert (await client.ask(ASK)).status == 502
    got = await client.ask(ASK)
    assert (got.status, got.code) == (400, "context_length_exceeded")


async def test_retries_are_bounded(start_router: StartRouter, start_upstream: StartUpstream) -> None:
    upstreams = [await start_upstream(f"u{i}") for i in range(10)]
    for each in upstreams:
        each.reply = refusal(500, "x")
    target = backend(upstreams, "only")
    router = await start_router(config(policy(target), target))
    client = await router.connect()
    got = await client.ask(ASK)
    assert (got.status, got.code, got.header("x-should-retry")) == (502, "upstream_error", b"false")
    assert sum(len(each.requests) for each in upstreams) == 6
    assert max(len(each.requests) for each in upstreams) == 1
    [entry] = router.entries()
    assert entry["tries"] == 6


async def test_without_a_budget_there_is_no_retry(failing_over: Router, pair: tuple[Upstream, Upstream]) -> None:
    pair[0].replies.append(refusal(500, "x"))
    assert failing_over.proxy.live is not None
    budget = failing_over.proxy.live.budget
    loop = asyncio.get_running_loop()
    while budget.withdraw(loop.time()):
        pass
    client = await failing_over.connect()
    assert (await client.ask(ASK)).status == 502
    assert (await client.ask(ASK)).header("x-signalbox-target") == b"first"


async def test_a_stale_connection_is_replaced_without_blame(router: Router, upstream: Upstream) -> None:
    client = await router.connect()
    await client.ask(ASK)
    upstream.replies.append(reset)  # as if it had closed while our request was on its way
    assert (await client.ask(ASK)).status == 200
    assert attempts(router) == {("engine", "success"): 2}
    assert upstream.accepted == 2
    upstream.replies.extend((reset, reset))
    got = await client.ask(ASK)
    assert got.status == 502, "once, not for ever"
    assert attempts(router)["engine", "failure"] == 1


async def test_a_pooled_connection_that_breaks_in_its_answer_is_not_stale(router: Router, upstream: Upstream) -> None:
    client = await router.connect()
    await client.ask(ASK)
    upstream.replies.append(cut_body)
    assert (await client.ask(ASK)).status == 502
    assert len(upstream.requests) == 2


async def test_full_targets_answer_429(start_router: StartRouter, upstream: Upstream) -> None:
    target = backend(upstream, limits=Limits(max_in_flight=2))
    router = await start_router(config(policy(target), target))
    upstream.reply = gate = Gate(response(200, completion()))
    clients = [await router.connect() for _ in range(3)]
    for each in clients[:2]:
        await each.send(ASK)
    await upstream.wait_requests(2)
    got = await clients[2].ask(ASK)
    assert (got.status, got.code, got.header("retry-after")) == (429, "rate_limit_exceeded", b"1")
    gate.open()
    for each in clients[:2]:
        assert (await each.answer()).status == 200
    assert (await clients[2].ask(ASK)).status == 200


async def test_limits_by_the_minute(start_router: StartRouter, upstream: Upstream) -> None:
    target = backend(upstream, limits=Limits(requests_per_minute=2))
    router = await start_router(config(policy(target), target))
    client = await router.connect()
    assert [(await client.ask(ASK)).status for _ in range(3)] == [200, 200, 429]
    tokens = backend(upstream, limits=Limits(tokens_per_minute=20))
    router.configure(config(policy(tokens), tokens))
    # Each answer reports 15 tokens, more than were estimated.
    assert [(await client.ask(ASK)).status for _ in range(3)] == [200, 200, 429]


async def test_without_a_healthy_target_one_request_a_second_is_a_probe(
    failing_over: Router, pair: tuple[Upstream, Upstream]
) -> None:
    for each in pair:
        each.reply = refusal(500, "x")
    client = await failing_over.connect()
    for _ in range(3):
        assert (await client.ask(ASK)).status == 502
    before = sum(len(each.requests) for each in pair)
    statuses = []
    for _ in range(4):
        got = await client.ask(ASK)
        statuses.append(got.status)
        if got.status == 503:
            assert (got.code, got.header("retry-after")) == ("no_healthy_target", b"1")
    assert 503 in statuses
    assert sum(len(each.requests) for each in pair) - before <= 2 * statuses.count(502)


async def test_a_policy_without_endpoints_says_so(start_router: StartRouter, upstream: Upstream) -> None:
    target = backend(upstream, endpoints=())
    router = await start_router(config(policy(target), target))
    got = await (await router.connect()).ask(ASK)
    assert (got.status, got.code) == (503, "no_backend")
    assert got.header("retry-after") is not None


async def test_what_a_backend_wants_changed_in_a_request(start_router: StartRouter, upstream: Upstream) -> None:
    target = backend(
        upstream,
        base_path="/openai/v1",
        request=RequestMapping(
            headers=(Header(name="OpenAI-Organization", value="org-1"), Header(name="X-Own", value="ours")),
            query=(Header(name="api-version", value="2024 06&x"),),
            rename={"max_tokens": "max_completion_tokens"},
            remove=("top_k",),
        ),
        api_key=ApiKey(entry="key", header="x-Goog-Api-Key", prefix=""),
    )
    router = await start_router(config(policy(target), target), {"key": b" sk-1\n"})
    client = await router.connect()
    data = chat(max_tokens=5, top_k=3)
    got = await client.ask(request("POST", "/v1/chat/completions", "x-own: theirs", "x-other: 1", body=data))
    assert got.status == 200
    [seen] = upstream.requests
    assert seen.line == b"POST /openai/v1/chat/completions?api-version=2024%2006%26x HTTP/1.1"
    assert seen.json == {"model": "real-model", "messages": data["messages"], "max_completion_tokens": 5}
    assert seen.header("host") == b"engine.test"
    assert seen.header("openai-organization") == b"org-1"
    assert seen.header("x-own") == b"ours"
    assert seen.header("x-other") == b"1"
    assert seen.header("x-goog-api-key") == b"sk-1"
    assert seen.header("accept-encoding") == b"identity"


async def test_the_backends_key_replaces_the_clients(start_router: StartRouter, upstream: Upstream) -> None:
    target = backend(upstream, api_key=ApiKey(entry="key"))
    router = await start_router(config(policy(target), target), {"key": b"sk-backend"})
    client = await router.connect()
    await client.ask(request("POST", "/v1/chat/completions", "authorization: Bearer sk-client", body=chat()))
    assert upstream.requests[0].all("authorization") == [b"Bearer sk-backend"]
    router.configure(config(policy(target), target), {"key": b"sk-rotated"})
    await client.ask(ASK)
    assert upstream.requests[1].header("authorization") == b"Bearer sk-rotated"
    assert upstream.accepted == 1


@pytest.mark.parametrize(
    ("fields", "extra", "missing"),
    [
        ({"features": ()}, {"tools": [{"type": "function", "function": {"name": "f"}}]}, "no Tools"),
        ({"features": ("Tools",)}, {"response_format": {"type": "json_schema", "json_schema": {}}}, "no JSONSchema"),
        ({"features": ()}, {"logprobs": True}, "no LogProbs"),
        ({"context_window": 10}, {"max_tokens": 10}, "context window 10 < 11 tokens"),
    ],
)
async def test_a_request_that_no_target_can_serve_learns_why(
    start_router: StartRouter, upstream: Upstream, fields: Mapping[str, Any], extra: Mapping[str, Any], missing: str
) -> None:
    target = backend(upstream, **fields)
    router = await start_router(config(policy(target), target))
    got = await (await router.connect()).ask(request(body=chat(text="abcd", **extra)))
    assert (got.status, got.code) == (400, "no_eligible_target")
    assert f"engine: {missing}" in got.json["error"]["message"]
    assert not upstream.requests


async def test_a_target_that_cannot_serve_a_request_is_passed_over(
    start_router: StartRouter, pair: tuple[Upstream, Upstream]
) -> None:
    targets = backend(pair[0], features=()), backend(pair[1], features=("Vision",))
    router = await start_router(config(in_order(*targets), *targets))
    content = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]
    data = {"model": "auto", "messages": [{"role": "user", "content": content}]}
    got = await (await router.connect()).ask(request(body=data))
    assert got.header("x-signalbox-target") == b"second"


async def test_an_unary_request_may_be_answered_by_events(router: Router, upstream: Upstream) -> None:
    upstream.reply = stream(HELLO)
    assert (await (await router.connect()).ask(ASK)).body == HELLO


async def test_only_the_target_with_the_feature_embeds(
    start_router: StartRouter, pair: tuple[Upstream, Upstream]
) -> None:
    targets = backend(pair[0], features=("Tools",)), backend(pair[1], features=("Embeddings",))
    router = await start_router(config(in_order(*targets), *targets))
    client = await router.connect()
    data = {"model": "auto", "input": "a"}
    assert (await client.ask(request(path="/v1/embeddings", body=data))).header("x-signalbox-target") == b"second"
    router.configure(config(policy(targets[0]), targets[0]))
    got = await client.ask(request(path="/v1/embeddings", body=data))
    assert (got.status, got.code) == (400, "no_eligible_target")
    assert "first: no Embeddings" in got.json["error"]["message"]


@pytest.mark.parametrize("allowed", [True, False])
async def test_the_reason_is_told_where_the_policy_allows(
    start_router: StartRouter, upstream: Upstream, allowed: bool
) -> None:
    target = backend(upstream)
    router = await start_router(config(policy(target, debug=allowed), target))
    client = await router.connect()
    got = await client.ask(request("POST", "/v1/chat/completions", "x-signalbox-debug: true", body=chat()))
    expected = b"route default (no condition), weighted, try 1" if allowed else None
    assert got.header("x-signalbox-reason") == expected
    assert (await client.ask(ASK)).header("x-signalbox-reason") is None


async def test_a_target_without_weight_gets_nothing_not_even_a_probe(
    start_router: StartRouter, pair: tuple[Upstream, Upstream]
) -> None:
    targets = backends_of(pair)
    shares = (Share(target="first", weight=1), Share(target="second", weight=0))
    routes = (Route(name="all", strategy=Weighted(targets=shares)),)
    router = await start_router(config(policy(*targets, routes=routes), *targets))
    pair[0].reply = refusal(500, "x")
    client = await router.connect()
    assert {(await client.ask(ASK)).status for _ in range(6)} == {502, 503}
    assert not pair[1].requests
