"""Reading answers: the facts of expressions, log-probabilities, refusals, JSON."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from saying import answer, body, calling

from signalbox.routing.chains.answers import Answer
from signalbox.routing.chains.refusals import refuses

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "people": {"type": "integer", "minimum": 0}},
    "required": ["city"],
    "additionalProperties": False,
}
WITH_SCHEMA = {"response_format": {"type": "json_schema", "json_schema": {"name": "c", "schema": SCHEMA}}}
OBJECT = {"response_format": {"type": "json_object"}}


def test_the_facts() -> None:
    made = Answer(body("One two.\nThree."), {}, 9)
    assert (made.text, made.chars, made.words, made.lines) == ("One two.\nThree.", 15, 3, 2)
    assert (made.tokens, made.finish_reason, made.refusal, made.tool_calls) == (9, "stop", False, 0)
    assert answer("12345").tokens == 2


def test_parts_a_refusal_and_a_completion() -> None:
    assert answer([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]).text == "a\nb"  # type: ignore[arg-type]
    refused = answer(None, refusal="I cannot do that.")
    assert (refused.text, refused.refusal) == ("I cannot do that.", True)
    completion = Answer(b'{"choices": [{"text": "hi", "finish_reason": "length"}]}', {})
    assert (completion.text, completion.finish_reason) == ("hi", "length")


def test_calls_of_tools_of_both_forms() -> None:
    assert answer(None, **calling("add", "{}")).tools == (("add", "{}"),)
    assert answer(None, function_call={"name": "old", "arguments": "{}"}).tools == (("old", "{}"),)


@pytest.mark.parametrize(
    ("logprobs", "expected"),
    [
        ({"content": [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -1}]}, (-0.5, -1.0)),
        ({"token_logprobs": [None, -0.25]}, (-0.25,)),
        ({"content": None}, ()),
        (None, ()),
        ("?", ()),
    ],
)
def test_log_probabilities(logprobs: Any, expected: tuple[float, ...]) -> None:
    choice = {"message": {"content": "x"}, "logprobs": logprobs}
    assert Answer(msgspec.json.encode({"choices": [choice]}), {}).logprobs == expected


@pytest.mark.parametrize(
    ("asked", "text", "is_json", "matches"),
    [
        ({}, "plain", False, True),
        ({}, '```json\n{"a": 1}\n```', True, True),
        (OBJECT, "[1]", True, False),
        (OBJECT, "{}", True, True),
        (OBJECT, "```\n{}\n```", True, False),
        (WITH_SCHEMA, '{"city": "Rome", "people": 3}', True, True),
        (WITH_SCHEMA, '{"city": "Rome", "people": -3}', True, False),
        (WITH_SCHEMA, '{"people": 3}', True, False),
        (WITH_SCHEMA, '{"city": "Rome", "more": 1}', True, False),
        (WITH_SCHEMA, '{"city": "Rome"', False, False),
        ({"response_format": {"type": "json_schema"}}, "1", True, True),
    ],
)
def test_json(asked: dict[str, Any], text: str, is_json: bool, matches: bool) -> None:
    made = answer(text, asked=asked)
    assert (made.is_json, made.matches_schema) == (is_json, matches)


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I’m sorry, but I cannot assist with that request.",
        "Sorry, I can't provide instructions for this.",
        "I cannot comply with this request.",
        "As an AI language model, I cannot provide medical advice.",
        "Unfortunately, I am unable to help you here.",
        "I must decline.",
        "I won't write that.",
        "I apologize, but I'm not able to discuss this.",
    ],
)
def test_refusals(text: str) -> None:
    assert refuses(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The train is late.",
        "Sorry for the delay! The answer is 4.",
        "You cannot divide by zero.",
        "I can help with that.",
        "In French: « I cannot help you » is « je ne peux pas vous aider ».",
        "The guard said: I can't let you pass.",
        "I think the signal is red.",
    ],
)
def test_no_refusals(text: str) -> None:
    assert not refuses(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["choices", "message", "content", "refusal", "tool_calls", "function", "function_call", "logprobs", "logprob",
         "text", "finish_reason", "name", "arguments", "token_logprobs"]), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(JSON, JSON)
def test_no_shape_raises(value: Any, asked: Any) -> None:
    made = Answer(msgspec.json.encode(value), asked if isinstance(asked, dict) else {})
    for name in ("text", "lines", "words", "tokens", "finish_reason", "refusal", "is_json", "matches_schema", "called"):
        getattr(made, name)
    assert made.tool_calls == len(made.tools)
    assert all(isinstance(each, float) for each in made.logprobs)


def test_no_json_at_all() -> None:
    assert Answer(b"\xff", {}).text == ""
