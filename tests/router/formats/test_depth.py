"""Nesting near the bound: what can be read may be too deep to be written, a few calls further down."""

from collections.abc import Callable

import pytest
from scenes import stream

from harness import CHAT, DONE, StartRouter, Upstream, backend, config, policy, request, response

MESSAGES = "/v1/messages"
# From what every interpreter takes to what none does, whatever the depth of the calls around it.
DEPTHS = range(840, 1001)
HEAD = b'{"model":"auto","max_tokens":9,'


def nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


BODIES: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "a chat": (CHAT, lambda depth: HEAD + b'"messages":[],"x":' + nested(depth) + b"}"),
    "a tool's schema": (
        MESSAGES,
        lambda depth: HEAD + b'"messages":[],"tools":[{"name":"a","input_schema":' + nested(depth) + b"}]}",
    ),
    "a call's input": (
        MESSAGES,
        lambda depth: (
            HEAD
            + b'"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"a","input":'
            + nested(depth)
            + b"}]}]}"
        ),
    ),
}


@pytest.mark.parametrize("target", ["OpenAI", "Anthropic"])
@pytest.mark.parametrize("kind", BODIES)
async def test_a_body_of_any_depth_is_sent_or_refused(
    start_router: StartRouter, upstream: Upstream, kind: str, target: str
) -> None:
    path, body = BODIES[kind]
    only = backend(upstream, format=target)
    upstream.reply = response(200, _MESSAGE % (b"1" if target == "Anthropic" else b"2"))
    client = await (await start_router(config(policy(only), only))).connect()
    statuses = set()
    for depth in DEPTHS:
        answer = await client.ask(request("POST", path, body=body(depth)))
        statuses.add(answer.status)
        assert answer.status in {200, 400}, (depth, answer.body)
    assert 400 in statuses


# Both a message and a chat.
_MESSAGE = (
    b'{"id":"a","type":"message","content":[{"type":"tool_use","id":"a","name":"a","input":%b}],'
    b'"choices":[{"message":{"content":"hi","tool_calls":[]}}]}'
)
_ASK = {"model": "auto", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


def _said(kind: str, depth: int) -> bytes:
    deep = nested(depth)
    if kind == "a call":
        return response(200, _MESSAGE % deep)
    if kind == "a name":
        return response(200, _MESSAGE.replace(b'"name":"a"', b'"name":%b') % (deep, b"{}"))
    if kind == "an id":
        return response(200, b'{"id":%b,"type":"message","content":[],"choices":[{"message":{}}]}' % deep)
    if kind == "an error":
        return response(400, b'{"error":{"type":"a","message":%b}}' % deep)
    events = [
        b'data: {"type":"content_block_start","index":0,"content_block":{"type":"tool_use","name":%b}}\n\n' % deep,
        b'data: {"type":"content_block_stop","index":0}\n\n',
        b'data: {"type":"message_stop"}\n\n',
    ]
    if kind == "a chunk":
        call = b'[{"index":0,"id":%b,"function":{"name":"a"}}]' % deep
        last = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
        events = [b'data: {"choices":[{"delta":{"tool_calls":%b}}]}\n\n' % call, last, DONE]
    return stream(*events)


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize(
    ("kind", "target"),
    [(kind, "Anthropic") for kind in ("a call", "a name", "an id", "an error", "a block")]
    + [(kind, "OpenAI") for kind in ("an id", "an error", "a chunk")],
)
async def test_an_answer_of_any_depth_is_passed_on_or_an_error(
    start_router: StartRouter, upstream: Upstream, kind: str, target: str, path: str
) -> None:
    only = backend(upstream, format=target)
    router = await start_router(config(policy(only), only))
    client = await router.connect()
    ask = request("POST", path, body=_ASK | {"stream": kind in {"a block", "a chunk"}})
    for depth in DEPTHS:
        upstream.reply = _said(kind, depth)
        answer = await client.ask(ask)
        # An endpoint that fails again and again is left alone for a while.
        assert answer.status in {200, 400, 502, 503}, (depth, answer.body)
    assert not [each for each in router.entries() if each.get("error") == "internal_error"]
