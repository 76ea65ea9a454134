"""What a service that puts labels on queries is sent, and what counts as its answer: see docs/classifiers.md."""

from math import isfinite
from typing import Any, Final

import msgspec

from signalbox.routing import config
from signalbox.routing.choosing.classified import NOTHING_EXPECTED, Result
from signalbox.routing.choosing.picking import score_of, shortened

READ_CHARS: Final = 32_000
"""Of the query and of the system prompt: an answer that is awaited is not worth megabytes."""

_encode = msgspec.json.Encoder().encode


class _Said(msgspec.Struct):
    label: str
    confidence: float | None = None
    score: float | None = None
    scores: dict[str, float] | None = None


def question(classifier: config.Classifier, query: str, system: str, turns: int) -> bytes:
    """The body of the request. Texts of earlier messages stay here: a service gets no more than it needs."""
    asked: dict[str, Any] = {
        "classifier": classifier.name,
        "labels": classifier.labels,
        "query": shortened(query, READ_CHARS),
        "conversation": {"system": shortened(system, READ_CHARS), "turns": turns},
    }
    return _encode(asked)


def read(classifier: config.Classifier, content: bytes) -> Result | None:
    """The answer; None for one that does not keep to the contract."""
    try:
        said = msgspec.json.decode(content, type=_Said)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if said.label not in classifier.labels:
        return None
    confidence = 1.0 if said.confidence is None else said.confidence
    score = score_of(said.label, confidence, classifier.labels) if said.score is None else said.score
    numbers = (confidence, score, *(said.scores or {}).values())
    if not all(isfinite(number) and 0.0 <= number <= 1.0 for number in numbers):
        return None
    return Result(said.label, score, confidence, said.scores or NOTHING_EXPECTED)
