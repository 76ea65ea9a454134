"""The contract with a service: what is sent, and what alone is accepted."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalbox.routing import config
from signalbox.routing.choosing.service import READ_CHARS, question, read

KIND = config.Classifier(
    name="kind", labels=("code", "prose", "law"), default="prose", source=config.Http(service="s", path="/")
)


def test_what_is_sent() -> None:
    assert msgspec.json.decode(question(KIND, "x", "be brief", 3)) == {
        "classifier": "kind",
        "labels": ["code", "prose", "law"],
        "query": "x",
        "conversation": {"system": "be brief", "turns": 3},
    }


def test_of_long_texts_both_ends_are_sent() -> None:
    sent = msgspec.json.decode(question(KIND, "a" * 10**6 + "z" * 10**6, "b" * 10**6, 1))
    assert len(sent["query"]) < READ_CHARS + 10
    assert (sent["query"][0], sent["query"][-1]) == ("a", "z")
    assert len(sent["conversation"]["system"]) < READ_CHARS + 10


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"label": "code"}', ("code", 0.0, 1.0, {})),
        ('{"label": "law", "confidence": 0.5}', ("law", 0.5, 0.5, {})),
        ('{"label": "code", "confidence": 0.5, "score": 0.1}', ("code", 0.1, 0.5, {})),
        ('{"label": "code", "scores": {"code": 0.25}, "more": 1}', ("code", 0.0, 1.0, {"code": 0.25})),
    ],
)
def test_what_is_accepted(body: str, expected: tuple[object, ...]) -> None:
    result = read(KIND, body.encode())
    assert result is not None
    assert (result.label, result.score, result.confidence, dict(result.expected)) == expected


@pytest.mark.parametrize(
    "body",
    [
        "",
        "code",
        "[]",
        '{"label": "other"}',
        '{"label": 1}',
        '{"confidence": 1}',
        '{"label": "code", "confidence": 1.01}',
        '{"label": "code", "confidence": "high"}',
        '{"label": "code", "score": -0.1}',
        '{"label": "code", "scores": {"code": 1e999}}',
        '{"label": "code", "scores": [1]}',
    ],
)
def test_what_is_not(body: str) -> None:
    assert read(KIND, body.encode()) is None


@given(st.binary(max_size=60))
def test_no_answer_breaks_it(content: bytes) -> None:
    assert read(KIND, content) is None
