"""What of a request's headers reaches a backend of either API, byte by byte."""

import pytest

from harness import StartRouter, Upstream, backend, chat, completion, config, policy, request, response
from signalbox.routing.config import ApiKey, Header, RequestMapping

MESSAGE = {"type": "message", "id": "msg_1", "content": [{"type": "text", "text": "hello"}], "stop_reason": "end_turn"}
LINES = (
    "anthropic-version: 2023-06-01",
    "anthropic-beta: some-beta",
    "x-api-key: of-the-client",
    "authorization: Bearer b",
)
ASK = {"model": "auto", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
KEY = ApiKey(entry="key", header="x-api-key", prefix="")


@pytest.mark.parametrize("path, body", [("/v1/messages", ASK), ("/v1/chat/completions", chat())])
async def test_to_anthropic(start_router: StartRouter, upstream: Upstream, path: str, body: dict[str, object]) -> None:
    upstream.reply = response(200, MESSAGE, "request-id: req_1")
    target = backend(upstream, format="Anthropic", api_key=KEY)
    client = await (await start_router(config(policy(target), target), {"key": b"sk-ant-ours\n"})).connect()
    answer = await client.ask(request("POST", path, *LINES, body=body))
    assert answer.status == 200
    assert answer.header("request-id") == b"req_1"
    [seen] = upstream.requests
    assert seen.line == b"POST /v1/messages HTTP/1.1"
    assert seen.header("x-api-key") == b"sk-ant-ours"
    assert seen.header("authorization") is None
    assert seen.header("anthropic-version") == b"2023-06-01"
    assert seen.header("anthropic-beta") == b"some-beta"
    assert seen.json["model"] == "real-model"


async def test_a_version_and_betas_of_the_backend_s_own(start_router: StartRouter, upstream: Upstream) -> None:
    upstream.reply = response(200, MESSAGE)
    headers = (Header(name="anthropic-version", value="2099-01-01"), Header(name="anthropic-beta", value="ours"))
    target = backend(upstream, format="Anthropic", request=RequestMapping(headers=headers))
    client = await (await start_router(config(policy(target), target))).connect()
    assert (await client.ask(request("POST", "/v1/messages", *LINES, body=ASK))).status == 200
    assert upstream.requests[0].header("anthropic-version") == b"2099-01-01"
    assert upstream.requests[0].header("anthropic-beta") == b"ours"


async def test_to_openai(start_router: StartRouter, upstream: Upstream) -> None:
    upstream.reply = response(200, completion())
    target = backend(upstream)
    client = await (await start_router(config(policy(target), target))).connect()
    answer = await client.ask(request("POST", "/v1/messages", *LINES, "x-request-id: r1", body=ASK))
    assert answer.header("request-id") == answer.header("x-request-id") == b"r1"
    [seen] = upstream.requests
    assert seen.line == b"POST /v1/chat/completions HTTP/1.1"
    for name in ("anthropic-version", "anthropic-beta", "x-api-key", "authorization"):
        assert seen.header(name) is None


async def test_what_is_no_answer_of_the_api_is_the_endpoint_s_fault(
    start_router: StartRouter, pair: tuple[Upstream, Upstream]
) -> None:
    """A URL that leads to something else: the other endpoint serves."""
    first, second = pair
    first.reply = response(200, completion())
    second.reply = response(200, MESSAGE)
    target = backend(pair, format="Anthropic")
    client = await (await start_router(config(policy(target), target))).connect()
    for _ in range(4):
        answer = await client.ask(request(body=chat()))
        assert answer.json["choices"][0]["message"]["content"] == "hello"
    assert first.requests


async def test_what_is_no_chat_cannot_be_told_as_a_message(start_router: StartRouter, upstream: Upstream) -> None:
    upstream.reply = response(200, {"object": "list", "data": []})
    target = backend(upstream)
    client = await (await start_router(config(policy(target), target))).connect()
    answer = await client.ask(request("POST", "/v1/messages", *LINES, body=ASK))
    assert (answer.status, answer.json["error"]["type"]) == (502, "api_error")
