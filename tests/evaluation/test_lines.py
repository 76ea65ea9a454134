"""Lines as they are read, and what is said of those that cannot be."""

import json

import pytest

from signalbox.evaluation.lines import Said, read
from signalbox.learning import examples


def test_the_three_forms_of_a_query() -> None:
    text = b"""{"prompt": "Why?", "model": "auto"}

{"messages": [{"role": "user", "content": "Why?"}], "labels": {"kind": "code"}}
{"request": {"model": "m", "input": "Why?", "dimensions": 8}, "headers": {"X-Team": "a"}, "answer": 4}
"""
    prompt, chat, embedding = read(text, "f")
    assert prompt.body == chat.body
    assert (prompt.number, chat.number, prompt.model, chat.model) == (1, 3, "auto", "")
    assert chat.labels == {"kind": Said("code")}
    assert (embedding.operation, embedding.model, embedding.answer) == ("embeddings", "m", "4")
    assert embedding.headers == {b"x-team": b"a"}


def test_quality_is_the_score_or_whether_the_answer_is_right() -> None:
    (line,) = read(
        b'{"prompt": "?", "scores": {"a": 0.5}, "answers": {"a": {"correct": true}, "b": {"correct": true}}}', "f"
    )
    assert [line.quality(name) for name in ("a", "b", "c")] == [0.5, 1.0, None]
    assert line.targets == ("a", "b")


def test_training_reads_the_same_lines() -> None:
    text = json.dumps({"prompt": "?", "answers": {"a": {"text": "x", "samples": [{"text": "y"}], "judged": {"j": 80}}}})
    assert examples.read(text.encode(), "f")[0].answers["a"].text == "x"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "f: has no lines; give one JSON object a line"),
        (b"{", "f line 1: is no JSON object: Input data was truncated"),
        (b'{"label": "x"}', 'f line 1: the query: give exactly one of "prompt", "messages" and "request"'),
        (
            b'{"prompt": "?", "scores": {"a": 2}}',
            "f line 1: scores.a: is 2; write a number from 0 (wrong) to 1 (right)",
        ),
        (b'{"prompt": 1}', "f line 1: prompt: expected `str | null`, got `int`"),
        (
            b'{"prompt": "?", "answers": {"a": {"samples": [{"logprobs": [0.1]}]}}}',
            "f line 1: answers.a.logprobs: log-probabilities are finite and not above 0",
        ),
        (
            b'{"prompt": "?", "answers": {"a": {"outputTokens": -1}}}',
            "f line 1: answers.a.outputTokens: is -1; write a number that is not negative",
        ),
    ],
)
def test_what_cannot_be_read_is_told_with_line_and_fix(text: bytes, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        read(text, "f")
    assert str(caught.value) == message
