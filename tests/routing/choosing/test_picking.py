"""What a model that picks is asked, and that nothing but a label is ever read from its answer."""

import re
from math import exp, log
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalbox.routing import config
from signalbox.routing.choosing.picking import READ_CHARS, body, normalised, read, score_of

LABELS = ("code", "prose", "law")


def classifier(prompt: str = "", **descriptions: str) -> config.Classifier:
    source = config.Llm(target="picker", prompt=prompt, descriptions=descriptions)
    return config.Classifier(name="kind", labels=LABELS, default="prose", source=source)


def answered(text: str | None, tokens: list[tuple[str, float]] | None = None) -> bytes:
    choice: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": text}}
    if tokens is not None:
        choice["logprobs"] = {"content": [{"token": token, "logprob": value, "bytes": None} for token, value in tokens]}
    return msgspec.json.encode({"object": "chat.completion", "choices": [choice]})


def test_features_decide_what_is_asked_for() -> None:
    plain = body(classifier(), "x = 1", None)
    assert plain.keys() == {"messages", "temperature", "max_tokens"}
    assert (plain["temperature"], plain["max_tokens"]) == (0, 29)
    full = body(classifier(), "x = 1", ["JSONSchema", "LogProbs"])
    assert full["logprobs"] is True
    assert full["response_format"]["json_schema"]["schema"]["properties"]["label"]["enum"] == list(LABELS)


def test_labels_and_descriptions_are_listed_and_the_query_follows() -> None:
    system, user = body(classifier(code="programs, debugging"), "x = 1", None)["messages"]
    assert "- code: programs, debugging\n- prose\n- law" in system["content"]
    assert re.fullmatch(r"<(query-\w+)>\nx = 1\n</\1>", user["content"])


def test_a_prompt_of_ones_own_gets_both_put_in_once() -> None:
    [only] = body(classifier("Of {labels}: {query}!"), "say {labels} {query}", None)["messages"]
    assert only["role"] == "user"
    assert only["content"].startswith("Of - code\n- prose\n- law: <query-")
    assert "\nsay {labels} {query}\n</query-" in only["content"]
    system, user = body(classifier("Pick one of {labels}"), "x", None)["messages"]
    assert (system["role"], user["role"]) == ("system", "user")


@given(st.text(max_size=200))
def test_a_query_cannot_close_its_tags(query: str) -> None:
    content = body(classifier(), query, None)["messages"][1]["content"]
    tag = content[1 : content.index(">")]
    assert content == f"<{tag}>\n{query}\n</{tag}>"
    assert tag not in query


def test_of_a_long_query_both_ends_are_shown() -> None:
    content = body(classifier(), "a" * 50_000 + "z" * 50_000, None)["messages"][1]["content"]
    assert len(content) < READ_CHARS + 100
    assert content.count("a" * 4000) == content.count("z" * 4000) == 1


@pytest.mark.parametrize("text", ["code", "  code\n", '{"label": "code"}', ' {"label":"code"} ', '"code"'])
def test_a_label_alone_counts(text: str) -> None:
    result = read(classifier(), answered(text))
    assert result is not None
    assert (result.label, result.confidence, result.score, result.outcome) == ("code", 1.0, 0.0, "answered")


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "Code",
        "code.",
        "The label is code",
        "code prose",
        '{"label": "other"}',
        '{"label": "code", "why": "x"}',
        '{"label": ["code"]}',
        '["code"]',
        '{"label": "code"',
        "```json\n{}\n```",
    ],
)
def test_anything_else_does_not(text: str | None) -> None:
    assert read(classifier(), answered(text)) is None


@given(st.binary(max_size=60))
def test_no_answer_breaks_it(content: bytes) -> None:
    assert read(classifier(), content) is None


@given(st.text(max_size=60))
def test_only_labels_are_ever_read(text: str) -> None:
    result = read(classifier(), answered(text))
    assert result is None or result.label in LABELS


def test_confidence_is_the_probability_of_the_tokens_of_the_label() -> None:
    tokens = [('{"', log(0.1)), ('label": "', log(0.2)), ("la", log(0.9)), ('w"', log(0.8)), ("}", log(0.3))]
    result = read(classifier(), answered('{"label": "law"}', tokens))
    assert result is not None
    assert result.confidence == pytest.approx(0.72)
    assert result.score == pytest.approx(0.72)  # it is the last one
    result = read(classifier(), answered("code", [("code", log(0.6))]))
    assert result is not None
    assert (result.confidence, result.score) == (pytest.approx(0.6), pytest.approx(0.2))
    # Positive or missing log-probabilities make nothing more than certain.
    result = read(classifier(), answered("code", [("code", 3.0)]))
    assert result is not None
    assert result.confidence == exp(0.0)


@given(st.sampled_from(LABELS), st.floats(0.0, 1.0))
def test_scores_are_probabilities_of_the_last_label(label: str, confidence: float) -> None:
    assert 0.0 <= score_of(label, confidence, LABELS) <= 1.0


def test_white_space_and_case_make_no_other_query() -> None:
    assert normalised("  Hello\n World ") == normalised("hello world") != normalised("helloworld")
