"""Chats as a client of Anthropic's API gets them, however the bytes come."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from fuzzing import fuzzed
from harness import DONE, completion, event
from signalbox.router.wire.edge import MessagesEdge

HELLO = event({"content": "hello"})
CALLS = [
    event({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}}]}),
    event({"tool_calls": [{"index": 1, "id": "b", "function": {"name": "g", "arguments": "{}"}}]}),
    event({"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]}),
]
LAST = b'data: {"id": "chatcmpl-1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n'
USAGE = event(usage={"prompt_tokens": 10, "completion_tokens": 5})
WHOLE = event({"role": "assistant", "content": ""}) + HELLO + LAST + USAGE + DONE


def edge(thinking: bool = False) -> MessagesEdge:
    return MessagesEdge(thinking=thinking)


def told(out: bytes) -> list[Any]:
    events = []
    for each in out.split(b"\n\n")[:-1]:
        name, data = each.split(b"\n")
        value = msgspec.json.decode(data.removeprefix(b"data: "))
        assert name == b"event: " + value["type"].encode()
        events.append(value)
    return events


@fuzzed(100)
@given(cuts=st.lists(st.integers(0, len(WHOLE)), max_size=6).map(sorted))
def test_the_same_comes_out_however_it_is_cut(cuts: list[int]) -> None:
    one = edge()
    ends = [*cuts, len(WHOLE)]
    parts = [one.part(WHOLE[start:end]) for start, end in zip([0, *ends], ends, strict=False)]
    events = told(b"".join(parts) + one.end())
    assert [each["type"] for each in events] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert events[-2]["usage"]["output_tokens"] == 5
    assert one.end() == b""


def test_a_chat_without_an_end_is_no_message() -> None:
    one = edge()
    out = one.part(HELLO) + one.end()
    assert told(out)[-1] == {
        "type": "error",
        "error": {
            "type": "api_error",
            "message": "The target ended its stream before its answer; the answer is incomplete.",
        },
    }


def test_nothing_follows_an_error() -> None:
    one = edge()
    out = b"".join(map(one.part, CALLS))
    assert told(out)[-1]["type"] == "error"
    assert one.part(HELLO) == one.end() == b""


def test_unary() -> None:
    message = msgspec.json.decode(edge().whole(200, msgspec.json.encode(completion("hello"))) or b"")
    assert message["content"] == [{"type": "text", "text": "hello"}]
    assert edge().whole(200, b'{"object": "list"}') is None
    assert edge().whole(200, b"<html>") is None
    error = msgspec.json.decode(edge().whole(400, b'{"error": {"message": "no", "code": "x"}}') or b"")
    assert error == {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}
    assert msgspec.json.decode(edge().whole(503, b"<html>") or b"")["error"]["type"] == "overloaded_error"
