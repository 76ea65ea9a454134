"""Streams that break after content was sent: each client is told in the form of its own API."""

from typing import Any

import msgspec
import pytest
from scenes import FULL, HELLO, LAST, attempts, stream

from harness import CHAT, DONE, StartRouter, Upstream, backend, chat, config, policy, request, response

MESSAGES = "/v1/messages"
ASK = {"model": "auto", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "stream": True}


def event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **fields}))


BEGUN = (
    event("message_start", message={"id": "msg_1", "model": "m", "usage": {"input_tokens": 5, "output_tokens": 1}}),
    event("ping"),
    event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
    event("content_block_delta", index=0, delta={"type": "text_delta", "text": "hello"}),
)
OVERLOADED = event("error", error={"type": "overloaded_error", "message": "Overloaded"})


async def ask(start_router: StartRouter, upstream: Upstream, path: str, **fields: Any) -> tuple[bytes, dict[Any, int]]:
    target = backend(upstream, **fields)
    router = await start_router(config(policy(target), target))
    client = await router.connect()
    answer = await client.ask(request("POST", path, body=ASK if path == MESSAGES else chat(stream=True)))
    assert answer.status == 200
    [entry] = router.entries()
    assert (entry["status"], entry["error"]) == (502, "upstream_error")
    return answer.body, attempts(router)


@pytest.mark.parametrize("tail", [(OVERLOADED,), ()], ids=["error", "no end"])
async def test_a_chat_of_anthropic(start_router: StartRouter, upstream: Upstream, tail: tuple[bytes, ...]) -> None:
    upstream.reply = stream(*BEGUN, *tail)
    body, counted = await ask(start_router, upstream, CHAT, format="Anthropic")
    *said, last = body.removesuffix(b"\n\n").split(b"\n\n")
    assert b'"content":"hello"' in said[-1]
    assert msgspec.json.decode(last.removeprefix(b"data: "))["error"]["code"] == "upstream_error"
    assert counted == {("engine", "failure"): 1}


@pytest.mark.parametrize("tail", [(OVERLOADED,), ()], ids=["error", "no end"])
async def test_a_message_of_anthropic(start_router: StartRouter, upstream: Upstream, tail: tuple[bytes, ...]) -> None:
    upstream.reply = stream(*BEGUN, *tail)
    body, counted = await ask(start_router, upstream, MESSAGES, format="Anthropic")
    assert body.startswith(b"".join(BEGUN) + b"event: error\ndata: ")
    error = msgspec.json.decode(body.removesuffix(b"\n\n").rsplit(b"data: ", 1)[1])
    assert (error["type"], error["error"]["type"]) == ("error", "api_error")
    assert counted == {("engine", "failure"): 1}


async def test_a_page_instead_of_an_error_is_one_of_the_client_s_api(
    start_router: StartRouter, upstream: Upstream
) -> None:
    upstream.reply = response(400, b"<html>no</html>")
    target = backend(upstream, format="Anthropic")
    client = await (await start_router(config(policy(target), target))).connect()
    answer = await client.ask(request("POST", MESSAGES, body=ASK))
    assert (answer.status, answer.json["type"], answer.json["error"]["type"]) == (400, "error", "invalid_request_error")


async def test_a_message_of_openai(start_router: StartRouter, upstream: Upstream) -> None:
    upstream.reply = stream(HELLO, FULL, DONE)
    body, counted = await ask(start_router, upstream, MESSAGES)
    assert b'"text":"hello"' in body
    assert body.count(b"event: error\n") == 1
    assert b"message_stop" not in body
    assert counted == {("engine", "failure"): 1}


async def test_a_message_of_openai_without_an_end(start_router: StartRouter, upstream: Upstream) -> None:
    """A chat's client would see a stream without a finish reason; a message must have an end, or an error."""
    upstream.reply = stream(HELLO)
    target = backend(upstream)
    client = await (await start_router(config(policy(target), target))).connect()
    answer = await client.ask(request("POST", MESSAGES, body=ASK))
    assert answer.body.count(b"event: error\n") == 1
    upstream.reply = stream(HELLO, LAST)
    answer = await client.ask(request("POST", MESSAGES, body=ASK))
    assert answer.body.endswith(b'event: message_stop\ndata: {"type":"message_stop"}\n\n')
