"""What crosses the router: headers of a request, headers of an answer, and the marks that tie both to a trace."""

import re

import pytest

from harness import CHAT, Router, StartRouter, Upstream, backend, chat, completion, config, policy, request, response
from signalbox.router.wire.headers import ACCOUNT, FORWARDING, INTERNALS
from signalbox.routing.config import ApiKey, Header, RequestMapping

CONTENT = chat()
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_no_credential_and_nothing_of_one_hop_goes_upstream(router: Router, upstream: Upstream) -> None:
    client = await router.connect()
    lines = (
        "authorization: Bearer secret-of-the-client",
        "x-api-key: secret-of-the-client",
        "api-key: secret-of-the-client",
        "proxy-authorization: Basic secret-of-the-client",
        "cookie: secret-of-the-client",
        "x-signalbox-debug: true",
        "X-Signalbox-Target: forged",
        "connection: keep-alive, X-Nominated, content-type, x-session-id",
        "x-nominated: one hop",
        "keep-alive: timeout=5",
        "te: trailers",
        "proxy-connection: keep-alive",
        "accept-encoding: gzip, br",
        "expect: 100-continue",
        "x-session-id: nominated as well",
        "user-agent: OpenAI/Python",
        "openai-organization: org-1",
        "openai-project: project-1",
        "content-type: text/plain",
    )
    await client.send(request("POST", CHAT, *lines, body=CONTENT))
    assert (await client.answer()).status == 200
    (got,) = upstream.requests
    assert got.line == b"POST /v1/chat/completions HTTP/1.1"
    assert dict(got.headers).keys() == {
        b"host",
        b"accept-encoding",
        b"content-type",
        b"content-length",
        b"user-agent",
        b"x-request-id",
        b"traceparent",
    }
    assert got.header("host") == b"engine.test"
    assert got.header("accept-encoding") == b"identity"
    assert got.header("content-type") == b"application/json"
    assert b"secret-of-the-client" not in b"".join(value for _, value in got.headers)


@pytest.mark.parametrize("name", sorted(FORWARDING))
async def test_nothing_that_a_client_says_of_its_way_goes_upstream(
    router: Router, upstream: Upstream, name: bytes
) -> None:
    client = await router.connect()
    await client.ask(request("POST", CHAT, f"{name.decode().title()}: 127.0.0.1", body=CONTENT))
    (got,) = upstream.requests
    assert name not in dict(got.headers)


@pytest.mark.parametrize(
    "name", ["authorization", "x-api-key", "host", "content-length", "content-type", "x-request-id"]
)
async def test_no_client_takes_away_what_the_router_sends(
    start_router: StartRouter, upstream: Upstream, name: str
) -> None:
    target = backend(upstream, api_key=ApiKey(entry="backend.engine.apiKey", header="X-Api-Key", prefix=""))
    router = await start_router(config(policy(target), target), {"backend.engine.apiKey": b"ours-key"})
    client = await router.connect()
    await client.ask(request("POST", CHAT, f"connection: keep-alive, {name}, ,\t{name.upper()}", body=CONTENT))
    (got,) = upstream.requests
    assert got.header("x-api-key") == b"ours-key"
    assert got.header("host") == b"engine.test"
    assert got.header("content-type") == b"application/json"
    assert got.header("x-request-id")
    assert got.json["model"] == "real-model"


async def test_headers_of_the_backend_win(start_router: StartRouter, upstream: Upstream) -> None:
    target = backend(
        upstream,
        api_key=ApiKey(entry="backend.engine.apiKey"),
        request=RequestMapping(
            headers=(Header(name="OpenAI-Organization", value="ours"),),
            query=(Header(name="api-version", value="2 0&x"),),
            rename={"max_tokens": "max_completion_tokens"},
            remove=("top_k",),
        ),
    )
    router = await start_router(config(policy(target), target), {"backend.engine.apiKey": b"ours-key\n"})
    client = await router.connect()
    lines = ("authorization: Bearer theirs", "openai-organization: theirs")
    data = request("POST", CHAT + "?api-version=theirs", *lines, body=chat(max_tokens=5, top_k=3))
    assert (await client.ask(data)).status == 200
    (got,) = upstream.requests
    assert got.line == b"POST /v1/chat/completions?api-version=2%200%26x HTTP/1.1"
    assert got.header("authorization") == b"Bearer ours-key"
    assert got.header("openai-organization") == b"ours"
    assert got.json == {"model": "real-model", "messages": CONTENT["messages"], "max_completion_tokens": 5}


async def test_nothing_of_one_hop_comes_back(router: Router, upstream: Upstream) -> None:
    upstream.reply = response(
        200,
        completion(),
        "connection: keep-alive, x-nominated",
        "x-nominated: one hop",
        "keep-alive: timeout=5",
        "set-cookie: session=of-the-engine",
        "www-authenticate: Bearer realm=engine",
        "alt-svc: h3=:443",
        "access-control-allow-origin: *",
        "clear-site-data: *",
        "x-signalbox-target: forged",
        "x-signalbox-anything: forged",
        "x-request-id: of-the-engine",
        "x-ratelimit-remaining-requests: 7",
        "openai-processing-ms: 12",
    )
    client = await router.connect()
    answer = await client.ask(request("POST", CHAT, "x-request-id: mine", body=CONTENT))
    assert answer.status == 200
    assert dict(answer.headers) == {
        b"content-type": b"application/json",
        b"x-ratelimit-remaining-requests": b"7",
        b"openai-processing-ms": b"12",
        b"x-request-id": b"mine",
        b"x-signalbox-target": b"engine",
        b"x-signalbox-route": b"default",
        b"content-length": str(len(answer.body)).encode(),
    }


@pytest.mark.parametrize("name", sorted(ACCOUNT | INTERNALS))
async def test_no_client_learns_what_stands_behind_the_router(router: Router, upstream: Upstream, name: bytes) -> None:
    upstream.reply = response(200, completion(), f"{name.decode().title()}: engine-7.internal")
    client = await router.connect()
    answer = await client.ask(request(body=CONTENT))
    assert answer.status == 200
    assert name not in dict(answer.headers)


async def test_ids_are_made_where_there_are_none(router: Router, upstream: Upstream) -> None:
    client = await router.connect()
    answer = await client.ask(request(body=CONTENT))
    (got,) = upstream.requests
    assert re.fullmatch(rb"[0-9a-f]{32}", got.header("x-request-id") or b"")
    assert answer.header("x-request-id") == got.header("x-request-id")
    assert re.fullmatch(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-01", got.header("traceparent") or b"")
    (entry,) = router.entries()
    assert entry["id"].encode() == got.header("x-request-id")
    assert entry["traceparent"].encode() == got.header("traceparent")


async def test_ids_are_forwarded(router: Router, upstream: Upstream) -> None:
    client = await router.connect()
    lines = ("x-request-id: abc-123", f"traceparent: {TRACE}", "tracestate: vendor=1")
    answer = await client.ask(request("POST", CHAT, *lines, body=CONTENT))
    assert answer.header("x-request-id") == b"abc-123"
    (got,) = upstream.requests
    assert (got.header("x-request-id"), got.header("traceparent")) == (b"abc-123", TRACE.encode())
    assert got.header("tracestate") == b"vendor=1"
    assert (await client.ask(request("POST", CHAT, "x-request-id: abc", body=b"{"))).header("x-request-id") == b"abc"


@pytest.mark.parametrize(
    "line",
    [
        "traceparent: hello",
        f"traceparent: ff{TRACE[2:]}",
        f"traceparent: {TRACE.upper()}",
        f"traceparent: 00-{'0' * 32}-b7ad6b7169203331-01",
        f"traceparent: 00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01",
        f"traceparent: {TRACE}\r\ntraceparent: {TRACE}",
        "x-request-id: with spaces in it",
        f"x-request-id: {'x' * 129}",
        "x-request-id: one\r\nx-request-id: two",
        "x-request-id:",
    ],
)
async def test_ids_that_are_none_are_replaced(router: Router, upstream: Upstream, line: str) -> None:
    client = await router.connect()
    answer = await client.ask(request("POST", CHAT, line, "tracestate: vendor=1", body=CONTENT))
    assert re.fullmatch(rb"[0-9a-f]{32}", answer.header("x-request-id") or b"")
    (got,) = upstream.requests
    assert re.fullmatch(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-01", got.header("traceparent") or b"")
    assert got.header("tracestate") == (None if line.startswith("traceparent") else b"vendor=1")


async def test_debug_only_where_the_policy_allows_it(start_router: StartRouter, upstream: Upstream) -> None:
    target = backend(upstream)
    for allowed in (False, True):
        router = await start_router(config(policy(target, debug=allowed), target))
        client = await router.connect()
        plain = await client.ask(request(body=CONTENT))
        asked = await client.ask(request("POST", CHAT, "x-signalbox-debug: true", body=CONTENT))
        assert plain.header("x-signalbox-reason") is None
        assert (asked.header("x-signalbox-reason") is not None) is allowed


async def test_values_that_are_not_ascii_pass(router: Router, upstream: Upstream) -> None:
    client = await router.connect()
    assert (await client.ask(request("POST", CHAT, "x-title: caf\xe9", body=CONTENT))).status == 200
    assert upstream.requests[0].header("x-title") == b"caf\xe9"


async def test_the_body_is_the_clients_but_for_the_model(router: Router, upstream: Upstream) -> None:
    client = await router.connect()
    fields = {"tools": [{"type": "function", "function": {"name": "f"}}], "unknown": {"a": [1, 2.5, None, "é\u2028"]}}
    await client.ask(request(body=chat(**fields)))
    assert upstream.requests[0].json == {**CONTENT, **fields, "model": "real-model"}
