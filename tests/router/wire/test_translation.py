"""Streams of Messages, read as a chat or as they are, however the bytes come."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzzing import fuzzed
from signalbox.router.wire import translation
from signalbox.router.wire.events import Meaning
from signalbox.router.wire.sse import EventStream
from signalbox.routing.config import Backend

ANTHROPIC = Backend(name="b", model="m", authority="a", format="Anthropic")


def event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **fields}))


START = event(
    "message_start",
    message={
        "id": "msg_1",
        "model": "m",
        "usage": {"input_tokens": 5, "cache_read_input_tokens": 7, "output_tokens": 1},
    },
)
OPEN = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
HELLO = event("content_block_delta", index=0, delta={"type": "text_delta", "text": "hello"})
CLOSE = event("content_block_stop", index=0)
DELTA = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 3})
STOP = event("message_stop")
CALL = event("content_block_start", index=0, content_block={"type": "tool_use", "id": "t", "name": "f", "input": {}})
OVERLOADED = event("error", error={"type": "overloaded_error", "message": "Overloaded"})
WHOLE = START + event("ping") + OPEN + HELLO + CLOSE + DELTA + STOP


def stream(native: bool) -> EventStream:
    read = translation.reading(ANTHROPIC, native=native, with_usage=False)
    assert read is not None
    return read.stream()


def chunks(out: bytes) -> list[Any]:
    lines = [line.removeprefix(b"data: ") for line in out.split(b"\n\n") if line]
    return [line if line == b"[DONE]" else msgspec.json.decode(line)["choices"][0] for line in lines]


def test_a_chat_is_read_as_it_is() -> None:
    assert translation.reading(Backend(name="b", model="m", authority="a"), native=False, with_usage=True) is None


@pytest.mark.parametrize("native", [False, True])
@fuzzed(100)
@given(cuts=st.lists(st.integers(0, len(WHOLE)), max_size=6).map(sorted))
def test_the_same_comes_out_however_it_is_cut(native: bool, cuts: list[int]) -> None:
    watched = stream(native)
    ends = [*cuts, len(WHOLE)]
    out = b""
    for start, end in zip([0, *ends], ends, strict=False):
        out += watched.inspect(WHOLE[start:end], end == len(WHOLE))
    assert watched.error is None
    assert watched.usage == (12, 7, 3)
    if native:
        assert out == WHOLE
    else:
        assert [chunk if chunk == b"[DONE]" else (chunk["delta"], chunk["finish_reason"]) for chunk in chunks(out)] == [
            ({"role": "assistant", "content": ""}, None),
            ({"content": "hello"}, None),
            ({}, "stop"),
            b"[DONE]",
        ]


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize(
    "held, meaning",
    [
        (START, Meaning.OVERTURE),
        (START + event("ping") + OPEN, Meaning.OVERTURE),
        (START + OPEN + HELLO, Meaning.CONTENT),
        (START + CALL, Meaning.CONTENT),
        (START + DELTA, Meaning.CONTENT),
        (START + OVERLOADED, Meaning.ERROR),
        (OVERLOADED, Meaning.ERROR),
    ],
)
def test_when_a_message_has_begun(held: bytes, meaning: Meaning, native: bool) -> None:
    watched = stream(native)
    assert watched.hold(held, False) is meaning
    if meaning is Meaning.ERROR:
        assert watched.error["type"] == "overloaded_error"


@pytest.mark.parametrize("native", [False, True])
def test_an_error_ends_what_is_passed_on(native: bool) -> None:
    watched = stream(native)
    out = watched.inspect(START + OPEN + HELLO + OVERLOADED + HELLO, False)
    assert watched.error == {"type": "overloaded_error", "message": "Overloaded"}
    assert out.count(b"hello") == 1


@pytest.mark.parametrize("native", [False, True])
def test_a_message_without_an_end_is_cut(native: bool) -> None:
    watched = stream(native)
    watched.inspect(START + OPEN + HELLO, True)
    assert watched.error is not None


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("at_once", [False, True])
def test_what_comes_behind_the_end_is_no_part_of_a_message(native: bool, at_once: bool) -> None:
    watched = stream(native)
    alone = stream(native).inspect(WHOLE, True)
    behind = event("ping") + HELLO + STOP + OVERLOADED
    if at_once:
        out = watched.inspect(WHOLE + behind, True)
    else:
        out = watched.inspect(WHOLE, False) + watched.inspect(behind, False) + watched.inspect(HELLO, True)
    assert watched.error is None
    assert out == alone


@pytest.mark.parametrize("error", [b"null", b"5", b'{"type": 5}'])
def test_an_error_that_is_none_is_one_of_the_chat_s(error: bytes) -> None:
    read = translation.reading(ANTHROPIC, native=False, with_usage=False)
    assert read is not None
    found = msgspec.json.decode(read.unary(400, b'{"type": "error", "error": %b}' % error))["error"]
    assert isinstance(found["message"], str)


def test_a_unary_error_is_the_chat_s_own() -> None:
    read = translation.reading(ANTHROPIC, native=False, with_usage=False)
    assert read is not None
    body = b'{"type": "error", "error": {"type": "invalid_request_error", "message": "max_tokens: too large"}}'
    error = msgspec.json.decode(read.unary(400, body))["error"]
    assert (error["code"], error["message"]) == ("invalid_request_error", "max_tokens: too large")
    assert read.unary(400, b"<html>") == b"<html>"
    with pytest.raises(translation.Untold):
        read.unary(200, b"<html>")
