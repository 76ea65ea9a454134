"""What models are asked on the way to an answer, and answers as the streams that they would have been."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from saying import body, calling

from signalbox.routing.chains import bodies

ASKED = {"model": "auto", "messages": [], "stream": True, "stream_options": {"include_usage": True}, "n": 1}


def chunks(operation: str, content: bytes, *, with_usage: bool = False) -> list[dict[str, Any]]:
    """The events, of which the last is the end."""
    made = bodies.events(operation, content, with_usage=with_usage)
    assert made is not None
    *found, done, rest = made.split(b"\n\n")
    assert (done, rest) == (b"data: [DONE]", b"")
    return [msgspec.json.decode(event.removeprefix(b"data: ")) for event in found]


def joined(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The message that a client puts together."""
    message: dict[str, Any] = {}
    for chunk in found:
        for choice in chunk["choices"]:
            for name, value in choice["delta"].items():
                if name == "tool_calls":
                    message.setdefault(name, []).extend(value)
                else:
                    message[name] = message.get(name, "") + value
    return message


def test_a_step_is_asked_for_one_whole_answer() -> None:
    assert bodies.unary(ASKED) == {"model": "auto", "messages": []}
    assert bodies.with_logprobs("chat", {})["logprobs"] is True
    assert bodies.with_logprobs("completions", {})["logprobs"] == 1
    assert bodies.with_logprobs("completions", {"logprobs": 3})["logprobs"] == 3


@pytest.mark.parametrize(("given_", "expected"), [(None, 0.7), (0, 0.7), (0.2, 0.7), (1.3, 1.3), ("hot", 0.7)])
def test_a_sample_may_say_something_else(given_: Any, expected: float) -> None:
    asked = {"seed": 7} if given_ is None else {"temperature": given_, "seed": 7}
    assert bodies.sample(asked, 2) == {"temperature": expected, "seed": 9}
    assert "seed" not in bodies.sample({}, 2)


@pytest.mark.parametrize(("asked", "wants"), [({}, False), ({"logprobs": False}, False), ({"logprobs": True}, True),
                                              ({"logprobs": 0}, True), ({"logprobs": None}, False)])  # fmt: skip
def test_who_wants_log_probabilities(asked: dict[str, Any], wants: bool) -> None:
    assert bodies.asks_logprobs(asked) is wants


def test_what_only_we_wanted_to_see_is_gone() -> None:
    content = msgspec.json.encode({"id": "1", "choices": [{"message": {"content": "a"}, "logprobs": {"content": []}}]})
    assert msgspec.json.decode(bodies.without_logprobs(content)) == {
        "id": "1",
        "choices": [{"message": {"content": "a"}}],
    }
    assert bodies.without_logprobs(b"no json") == b"no json"


def test_a_chat_as_a_stream() -> None:
    found = chunks("chat", body("Hello.", reasoning_content="Hm."))
    assert {chunk["object"] for chunk in found} == {"chat.completion.chunk"}
    assert joined(found) == {"role": "assistant", "content": "Hello.", "reasoning_content": "Hm."}
    assert [chunk["choices"][0]["finish_reason"] for chunk in found] == [None, None, "stop"]
    assert not any("usage" in chunk for chunk in found)


def test_calls_of_tools_have_their_places() -> None:
    calls = calling("a", "{}")["tool_calls"] + calling("b", '{"x":1}')["tool_calls"]
    found = joined(chunks("chat", body(None, tool_calls=calls)))
    assert [(call["index"], call["function"]["name"]) for call in found["tool_calls"]] == [(0, "a"), (1, "b")]


def test_usage_comes_last_and_only_where_it_is_wanted() -> None:
    content = msgspec.json.encode({**msgspec.json.decode(body("a")), "usage": {"prompt_tokens": 1}})
    *others, last = chunks("chat", content, with_usage=True)
    assert (last["choices"], last["usage"]) == ([], {"prompt_tokens": 1})
    assert all(chunk["usage"] is None for chunk in others)


def test_a_completion_as_a_stream() -> None:
    found = chunks("completions", b'{"id": "c", "choices": [{"index": 0, "text": "Hi.", "finish_reason": "length"}]}')
    assert [chunk["choices"][0]["text"] for chunk in found] == ["Hi.", ""]
    assert found[-1]["choices"][0]["finish_reason"] == "length"
    assert {chunk["object"] for chunk in found} == {"text_completion"}


@pytest.mark.parametrize("content", [b"", b"[]", b'{"choices": 1}', b'{"error": {}}', b"\xff"])
def test_what_is_no_answer_is_no_stream(content: bytes) -> None:
    assert bodies.events("chat", content, with_usage=False) is None


@given(st.text(), st.booleans())
def test_nothing_of_a_text_is_lost(text: str, with_usage: bool) -> None:
    try:
        content = body(text)
    except UnicodeEncodeError:
        return
    assert joined(chunks("chat", content, with_usage=with_usage)).get("content", "") == text
