"""Facts: what each shape of body says, and that no body makes reading a fact fail."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fuzzing import fuzzed
from signalbox.routing.expressions import variables
from signalbox.routing.features import Facts


def facts(body: dict[str, Any], operation: str = "chat", headers: dict[bytes, bytes] | None = None) -> Facts:
    return Facts(operation, body, headers or {}, "team", "gold", {})


def read(found: Facts, path: str) -> object:
    group, _, name = path.partition(".")
    return getattr(found, f"{group}_{variables.snake(name)}")


CHAT = {
    "model": "auto",
    "stream": True,
    "max_completion_tokens": 7,
    "temperature": 1,
    "tools": [{}, {}],
    "logprobs": True,
    "response_format": {"type": "json_schema"},
    "reasoning_effort": "low",
    "user": "u1",
    "messages": [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": None},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "see https://x"},
                {"type": "image_url", "image_url": {"url": "data:"}},
                {"type": "text", "text": "é"},
            ],
        },
    ],
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("request.model", "auto"),
        ("request.stream", True),
        ("request.max_tokens", 7),
        ("request.temperature", 1.0),
        ("request.n", None),
        ("request.tools", 2),
        ("request.images", 1),
        ("request.logprobs", True),
        ("request.response_format", "json_schema"),
        ("request.reasoning_effort", "low"),
        ("query.text", "see https://x\né"),
        ("query.chars", 15),
        ("query.words", 3),
        ("query.lines", 2),
        ("query.tokens", 4),
        ("query.hasCode", False),
        ("query.hasUrl", True),
        ("conversation.chars", 8 + 5 + 13 + 1),
        ("conversation.tokens", 7),
        ("conversation.turns", 2),
        ("conversation.system", "be brief"),
        ("user.tenant", "team"),
        ("user.tier", "gold"),
        ("user.id", "u1"),
    ],
)
def test_chat(path: str, value: object) -> None:
    assert read(facts(CHAT), path) == value


@pytest.mark.parametrize(
    ("operation", "body", "text", "tokens", "turns"),
    [
        ("completions", {"prompt": "abcde"}, "abcde", 2, 1),
        ("completions", {"prompt": ["a", "b"]}, "a\nb", 1, 1),
        ("completions", {"prompt": [1, 2, 3]}, "", 3, 1),
        ("embeddings", {"input": [[1, 2], [3]]}, "", 3, 1),
        ("embeddings", {"input": "abcd"}, "abcd", 1, 1),
        ("responses", {"input": "hi", "instructions": "brief"}, "hi", 2, 1),
        (
            "responses",
            {"input": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}, {"type": "reasoning"}]},
            "hi",
            1,
            1,
        ),
    ],
)
def test_other_operations(operation: str, body: dict[str, Any], text: str, tokens: int, turns: int) -> None:
    found = facts(body, operation)
    assert (found.query_text, found.conversation_tokens, found.conversation_turns) == (text, tokens, turns)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("why does it rain;", False),
        ("Dear all,\nplease read (this).\nThanks", False),
        ("One thing: rain.\nAnother: sun.", False),
        ("look:\n```\nx\n```", True),
        ("def f(x):\n    return x", True),
        ("int a;\nint b;", True),
        ("import os\nprint(os.name)", True),
        ("SELECT a FROM b\nwhere\nselect c from d", True),
    ],
)
def test_source_code(text: str, expected: bool) -> None:
    assert facts({"messages": [{"role": "user", "content": text}]}).query_has_code is expected


def test_headers_ignore_case_and_read_empty_when_absent() -> None:
    found = facts({}, headers={b"x-team": b"a"})
    assert (found.header("X-Team"), found.header("x-none"), found.header("\u20ac")) == ("a", "", "")


def test_facts_are_computed_when_asked_for_and_once() -> None:
    message = {"role": "user", "content": "before"}
    found = facts({"messages": [message]})
    message["content"] = "until asked for"
    assert found.query_text == "until asked for"
    message["content"] = "afterwards"
    assert (found.query_text, found.query_chars) == ("until asked for", 15)
    assert found.conversation_chars == len("afterwards")


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "text", "format", "effort", "user"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)
FIELDS = ["messages", "input", "prompt", "tools", "functions", "model", "max_tokens", "temperature", "n", "logprobs"]
FIELDS += ["include", "response_format", "text", "reasoning", "user", "instructions", "safety_identifier"]


@fuzzed(100)
@given(
    st.sampled_from(["chat", "completions", "embeddings", "responses"]),
    st.dictionaries(st.sampled_from(FIELDS), JUNK, max_size=6),
)
@example("chat", {"messages": [{"role": []}]})
@example("chat", {"messages": [{"role": "user", "content": [{"type": []}, {"type": {}}]}]})
@example("responses", {"input": [{"role": {}, "content": [{"type": []}]}]})
def test_no_body_makes_a_fact_fail(operation: str, body: dict[str, Any]) -> None:
    kinds = {"bool": bool, "int": int, "double": float, "string": str}
    found = facts(body, operation)
    of_requests = [(f"{group}.{one.name}", one) for group, all_of in variables.GROUPS.items() for one in all_of]
    for path, attribute in of_requests:
        value = read(found, path)
        assert (value is None and attribute.optional) or type(value) is kinds[attribute.kind]
        if attribute.kind == "int" and value is not None:
            assert -(2**63) <= int(str(value)) < 2**63
