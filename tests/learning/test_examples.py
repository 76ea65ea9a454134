"""Examples as lines."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalbox.learning import examples
from signalbox.learning.examples import Example, ExamplesError, fit_for, read


def test_lines_are_read_in_their_order() -> None:
    data = b'{"prompt": "a", "label": "x"}\n\n{"prompt": "b", "scores": {"s": 1, "w": 0.5}, "group": "g", "place": "z"}'
    assert read(data, "f") == [
        Example("a", label="x", place="f line 1"),
        Example("b", scores={"s": 1.0, "w": 0.5}, group="g", place="f line 3"),
    ]


def test_what_does_not_fit_is_named_with_its_file_and_line() -> None:
    found = read(b'{"prompt": "a", "label": "x"}\n', "one") + read(b'\n{"prompt": "b", "label": "z"}\n', "two")
    with pytest.raises(ExamplesError, match=r"^two line 2: label: 'z' is none of x, y$"):
        fit_for(found, ["x", "y"], ["x", "y"])


def test_answers_are_read() -> None:
    line = {"prompt": "a", "answers": {"s": {"text": "b", "logprobs": [-0.1, 0], "correct": True, "latencyMs": 12}}}
    (example,) = read(json.dumps(line).encode(), "f")
    answer = example.answers["s"]
    assert (answer.text, answer.logprobs, answer.correct, answer.latency_ms) == ("b", (-0.1, 0.0), True, 12.0)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"label": "x"}', 'f line 2: prompt: is missing; write {"prompt": "...", ...}'),
        ('{"prompt": 1}', "f line 2: prompt: expected `str`, got `int`"),
        ('{"prompt": " "}', "f line 2: prompt: is empty; write the text of the query, or leave the line out"),
        ('{"prompt": "a", "scores": {"s": 2}}', "f line 2: scores.s: is 2; write a number from 0 (wrong) to 1 (right)"),
        ('{"prompt": "a", "scores": {"s": "1"}}', "f line 2: scores[...]: expected `float`, got `str`"),
        ('{"prompt": "a", "label": "x", "scores": {}}', "f line 2: label and scores: give only one of both"),
        (
            '{"prompt": "a", "answers": {"s": {"logprobs": [0.5]}}}',
            "f line 2: answers.s.logprobs: log-probabilities are finite and not above 0",
        ),
        ("{prompt}", "f line 2: is no JSON object: JSON is malformed: object keys must be strings (byte 1)"),
        ("[]", "f line 2: is no JSON object: Expected `object`, got `array`"),
    ],
)
def test_a_bad_line_is_refused_with_its_number_and_the_fix(line: str, message: str) -> None:
    with pytest.raises(ExamplesError) as caught:
        read(f'{{"prompt": "good"}}\n{line}\n'.encode(), "f")
    assert str(caught.value) == message


def test_many_errors_are_told_in_short() -> None:
    with pytest.raises(ExamplesError) as caught:
        read(b"{}\n" * 15, "f")
    assert len(caught.value.errors) == examples.MAX_ERRORS + 1
    assert caught.value.errors[-1] == "and 5 more lines like these"


def test_sizes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ExamplesError, match="f line 1: has 1048600 bytes; shorten it"):
        read(b'{"prompt": "' + b"x" * 1_048_586 + b'"}', "f")
    monkeypatch.setattr(examples, "MAX_EXAMPLES", 3)
    with pytest.raises(ExamplesError, match="f: has more than 3 examples; leave some out"):
        read(b'{"prompt": "a"}\n' * 5, "f")


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        read(data, "f")
    except ExamplesError as error:
        assert error.errors


def test_examples_must_fit_to_the_labels() -> None:
    fit_for([Example("a", label="x"), Example("b")], ("x", "y"), ("x", "y"))
    with pytest.raises(ExamplesError, match="example 2: label: 'z' is none of x, y"):
        fit_for([Example("a", label="x"), Example("b", label="z")], ("x", "y"), ("x", "y"))
    with pytest.raises(ExamplesError, match="example 1: scores: has none for t; give one for every target"):
        fit_for([Example("a", scores={"s": 1.0})], ("x", "y"), ("s", "t"))
    with pytest.raises(ExamplesError, match="example 1 has a label and example 2 has scores: give all one of both"):
        fit_for([Example("a", label="x"), Example("b", scores={"x": 0.0, "y": 1.0})], ("x", "y"), ("x", "y"))


@pytest.mark.parametrize(
    "line",
    [
        {"label": "x" * 500_000},
        {"scores": {"x" * 500_000: 0}},
        {"scores": {"x" * 500_000: 2}},
        {"answers": {"x" * 500_000: {"logprobs": [1]}}},
    ],
)
def test_of_a_long_name_only_the_beginning_is_quoted(line: dict[str, Any]) -> None:
    with pytest.raises(ExamplesError) as caught:
        fit_for(read(json.dumps({"prompt": "a", **line}).encode(), "f"), ("a", "y" * 500_000), ("a", "y" * 500_000))
    assert len(str(caught.value)) < 300
    assert "…" in str(caught.value)


@pytest.mark.parametrize("line", [b'{"prompt": "\xff"}', b'{"prompt": "a", "no": ' + 100_000 * b"[" + b"}"])
def test_what_is_no_text_or_endlessly_deep_is_refused_like_any_other_line(line: bytes) -> None:
    with pytest.raises(ExamplesError, match=r"^f line 2: "):
        read(b'{"prompt": "good"}\n' + line, "f")
