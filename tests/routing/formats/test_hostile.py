"""Whatever its shape, a body is translated or refused: nothing else is raised, and the client's part is always made."""

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzzing import fuzzed
from signalbox.routing.formats.anthropic_backend import answer as backend_answer
from signalbox.routing.formats.anthropic_backend import request as backend_request
from signalbox.routing.formats.anthropic_backend.events import Chunks
from signalbox.routing.formats.anthropic_client import answer as client_answer
from signalbox.routing.formats.anthropic_client import errors
from signalbox.routing.formats.anthropic_client import request as client_request
from signalbox.routing.formats.anthropic_client.events import Events, OutOfOrderError
from signalbox.routing.formats.untranslatable import Untranslatable
from signalbox.routing.formats.usage import merged
from signalbox.routing.untrusted import MAX_CONTAINERS

FIELDS = """
messages role content type text image_url url file file_data tool_calls function arguments name id tools tool_choice
parameters stop temperature response_format json_schema schema system source data media_type tool_use_id is_error
thinking output_config format effort metadata user_id service_tier usage input_tokens prompt_tokens choices message
delta index finish_reason stop_reason content_block partial_json prompt_tokens_details error input signature
"""
VALUES = """
user assistant system tool text image tool_use tool_result thinking function base64 json_schema message message_start
content_block_start content_block_delta message_delta message_stop content_block_stop input_json_delta text_delta
enabled auto any stop data:image/png;base64,AA== {} {
"""
names, words = st.sampled_from(FIELDS.split()), st.sampled_from(VALUES.split())
plain = st.none() | st.booleans() | st.integers(-5, 2**40) | st.floats(allow_nan=False) | words | st.text(max_size=4)
values = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names | st.text(max_size=3), inner, max_size=6),
    max_leaves=25,
)
bodies = st.dictionaries(names, values, max_size=8)


@fuzzed(100)
@given(bodies)
def test_requests(body: dict[str, Any]) -> None:
    before = msgspec.json.encode(body)
    with contextlib.suppress(Untranslatable):
        msgspec.json.encode(backend_request.translate(body))
    msgspec.json.encode(client_request.translate(body).chat)
    assert msgspec.json.encode(body) == before


def test_arguments_of_calls_hold_no_more_than_a_body_may() -> None:
    arguments = '{"a":[%s[]]}' % ("[]," * (MAX_CONTAINERS // 2))
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": arguments}}
    said = {"role": "assistant", "tool_calls": [call]}
    once = [{"role": "user", "content": "a"}, said]
    assert backend_request.translate({"max_tokens": 1, "messages": once})["messages"][1]["content"][0]["input"]["a"]
    with pytest.raises(Untranslatable, match="arguments"):
        backend_request.translate({"max_tokens": 1, "messages": [*once, said]})
    answer = {"choices": [{"message": {**said, "tool_calls": [call, call]}}]}
    content = (client_answer.translate(answer, thinking=False) or {})["content"]
    assert [list(block["input"]) for block in content] == [["a"], ["INVALID_JSON"]]


@fuzzed(100)
@given(bodies)
def test_answers(body: dict[str, Any]) -> None:
    msgspec.json.encode(backend_answer.translate(body, 0))
    msgspec.json.encode(backend_answer.error(body))
    msgspec.json.encode(client_answer.translate(body, thinking=True))
    assert isinstance(errors.message_of(body), str)


@fuzzed(100)
@given(st.lists(values, max_size=5))
def test_streams(said: list[Any]) -> None:
    chunks, events = Chunks(0, with_usage=True), Events(thinking=True)
    for each in said:
        msgspec.json.encode(chunks.feed(each))
        with contextlib.suppress(OutOfOrderError):
            msgspec.json.encode(events.feed(each))
    assert events.end()[-1] == {"type": "message_stop"}


TURNS = st.lists(
    st.tuples(
        st.sampled_from(("system", "user", "assistant")), st.text("ab ", min_size=1, max_size=5).filter(str.strip)
    ),
    min_size=1,
    max_size=6,
)


@fuzzed(100)
@given(TURNS)
def test_there_and_back_says_the_same(turns: list[tuple[str, str]]) -> None:
    """Texts of a chat come back as they were, apart from where they stand: system first, neighbours together."""
    messages = [{"role": role, "content": text} for role, text in turns]
    there = backend_request.translate({"model": "m", "messages": messages})
    back = client_request.translate(there)
    assert back.obstacle is None
    for role in ("system", "user", "assistant"):
        said = "".join(text for each, text in turns if each == role)
        heard = "".join(map(_text, (m["content"] for m in back.chat["messages"] if m["role"] == role)))
        assert heard.rstrip() == said.rstrip()


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


@pytest.mark.parametrize("thinking", [False, True])
def test_a_stream_there_and_back_is_the_same_message(thinking: bool) -> None:
    """Events of a message as chunks and as events again: the same blocks, ends and counts."""
    blocks = [
        ("text", {"text": ""}, [{"type": "text_delta", "text": part} for part in ("I", " look")]),
        (
            "tool_use",
            {"id": "t1", "name": "f", "input": {}},
            [{"type": "input_json_delta", "partial_json": part} for part in ('{"a":', "1}")],
        ),
    ]
    if thinking:
        blocks.insert(
            0, ("thinking", {"thinking": "", "signature": ""}, [{"type": "thinking_delta", "thinking": "Hm"}])
        )
    usage = {"input_tokens": 7, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 3, "output_tokens": 9}
    said: list[dict[str, Any]] = [{"type": "message_start", "message": {"id": "m1", "model": "m", "usage": usage}}]
    for index, (kind, fields, deltas) in enumerate(blocks):
        said.append({"type": "content_block_start", "index": index, "content_block": {"type": kind, **fields}})
        said += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        said.append({"type": "content_block_stop", "index": index})
    said.append({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": None}, "usage": usage})
    said.append({"type": "message_stop"})
    chunks, events = Chunks(0, with_usage=True), Events(thinking=thinking)
    heard = [event for each in said for chunk in chunks.feed(each) for event in events.feed(chunk)] + events.end()
    assert heard[1:] == said[1:]


def test_an_input_that_is_too_deep_to_be_written() -> None:
    """It may have been read with fewer calls below."""
    deep: dict[str, Any] = {}
    for _ in range(3000):
        deep = {"a": deep}
    call = {"type": "tool_use", "id": "a", "name": "b", "input": deep}
    found = client_request.translate({"messages": [{"role": "assistant", "content": [call]}]})
    assert "too deep" in str(found.obstacle)
    while deep:  # what is nested this deep would be freed as deep
        deep = deep["a"]


def test_usage_does_not_grow_with_what_nobody_reads() -> None:
    usage = merged({}, {"input_tokens": 5, **{f"key{number}": number for number in range(1000)}})
    assert merged(usage, {"output_tokens": 3, "input_tokens": None, "more": 1}) == {
        "input_tokens": 5,
        "output_tokens": 3,
    }


@pytest.mark.parametrize("other", [5, ["a"], {"a": 1}, True])
def test_no_client_gets_another_type_for_a_text(other: Any) -> None:
    """Neither of the chat nor of the message reads one there."""
    said = backend_answer.translate(
        {
            "type": "message",
            "id": other,
            "model": other,
            "content": [{"type": "text", "text": other}, {"type": "tool_use", "id": other, "name": other}],
        },
        0,
    )
    assert said is not None
    assert (said["id"], said["model"], said["choices"][0]["message"]["content"]) == (None, None, None)
    assert said["choices"][0]["message"]["tool_calls"][0]["id"] is None
    chunks = Chunks(0, with_usage=False)
    for event in (
        {"type": "message_start", "message": {"id": other, "model": other}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": other}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": other}},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": other, "name": other}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": other}},
    ):
        for chunk in chunks.feed(event):
            assert chunk["id"] is None
            delta = chunk["choices"][0]["delta"]
            assert delta.get("content") in (None, "")
            for call in delta.get("tool_calls", ()):
                assert (call["id"], call["function"]["name"]) == (None, None)
    call = {"id": other, "function": {"name": other, "arguments": "{}"}}
    message = client_answer.translate(
        {"id": other, "model": other, "choices": [{"message": {"content": other, "tool_calls": [call]}}]}, thinking=True
    )
    assert message is not None
    assert (message["id"], message["model"]) == (None, None)
    assert message["content"] == [{"type": "tool_use", "id": None, "name": None, "input": {}}]
