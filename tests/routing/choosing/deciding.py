"""Classifiers whose words are scripted, and facts that hold them."""

from collections.abc import Mapping
from typing import Any

from signalbox.routing.choosing.classified import Judge, Result
from signalbox.routing.features import Facts, TargetFacts


class Says:
    """A classifier that always says the same, and counts how often it is asked; without a result it is awaited."""

    def __init__(self, result: Result | None) -> None:
        self._result = result
        self.asked = 0

    @property
    def immediate(self) -> bool:
        return self._result is not None

    def judge(self, text: str) -> Result:
        assert self._result is not None
        self.asked += 1
        return self._result


def says(label: str, score: float = 0.5, confidence: float = 0.5, **expected: float) -> Says:
    return Says(Result(label, score, confidence, expected))


AWAITED = Says(None)


def facts_of(
    text: str = "hello",
    judges: Mapping[str, Judge] | None = None,
    targets: Mapping[str, TargetFacts] | None = None,
    **body: Any,
) -> Facts:
    """The facts of a chat request."""
    request = {"model": "auto", "messages": [{"role": "user", "content": text}], **body}
    return Facts("chat", request, {}, "", "", targets or {}, judges or {})
