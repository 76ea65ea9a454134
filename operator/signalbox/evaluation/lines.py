"""Recorded queries as JSON lines: the request, and what is known of how targets answer it.

What `signalbox train` reads is read here, too. What cannot be read is refused with line and fix.
"""

from collections.abc import Mapping
from contextlib import suppress
from math import isfinite
from types import MappingProxyType
from typing import Any, Final

import msgspec

from signalbox.learning.examples import ExamplesError, read_lines
from signalbox.routing.prompts import operation_of

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_NO_HEADERS: Final[Mapping[bytes, bytes]] = MappingProxyType({})


class Recorded(msgspec.Struct, frozen=True, rename="camel"):
    """What a target answered. ``samples`` are further answers of it to the same query; ``judged`` says, in percent, how
    good targets that judge found it."""

    text: str = ""
    logprobs: tuple[float, ...] = ()
    correct: bool | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    latency_ms: float | None = None
    finish_reason: str | None = None
    tool_calls: tuple[dict[str, Any], ...] = ()
    judged: dict[str, int] = {}
    samples: tuple["Recorded", ...] = ()


class Said(msgspec.Struct, frozen=True):
    """What a classifier said; where ``score`` or ``confidence`` is absent, nothing may ask for it. ``scores`` are
    what it expects of targets."""

    label: str
    score: float | None = None
    confidence: float | None = None
    scores: dict[str, float] = {}


class _Prompt(msgspec.Struct, frozen=True):
    prompt: str


class _Written(msgspec.Struct, frozen=True):
    prompt: str | None = None
    messages: list[Any] | None = None
    request: dict[str, Any] | None = None
    model: str | None = None
    tenant: str | None = None
    headers: dict[str, str] = {}
    label: str | None = None
    labels: dict[str, str | Said] = {}
    scores: dict[str, float] = {}
    group: str | None = None
    answer: str | int | float | None = None
    answers: dict[str, Recorded] = {}


class Line(msgspec.Struct, frozen=True):
    """One query. ``number`` counts from 1, as editors do; ``model`` is empty where none is named, ``answer`` where the
    right one is not known."""

    number: int
    operation: str
    body: dict[str, Any]
    model: str = ""
    tenant: str = ""
    headers: Mapping[bytes, bytes] = _NO_HEADERS
    label: str | None = None
    labels: Mapping[str, Said] = _NOTHING
    scores: Mapping[str, float] = _NOTHING
    answers: Mapping[str, Recorded] = _NOTHING
    answer: str = ""

    def quality(self, target: str) -> float | None:
        """How good the target's answer is, 0 to 1; None where that is not known."""
        if target in self.scores:
            return self.scores[target]
        answer = self.answers.get(target)
        return None if answer is None else quality_of(answer)

    @property
    def targets(self) -> tuple[str, ...]:
        """Those of which anything is known."""
        return tuple(dict.fromkeys((*self.scores, *self.answers)))


def quality_of(answer: Recorded) -> float | None:
    """1 where it is right, 0 where it is wrong."""
    return None if answer.correct is None else float(answer.correct)


def read(data: bytes, name: str) -> list[Line]:
    """The lines of a file, in order; empty ones are left out. Raises ``ExamplesError``."""
    lines = [_line(number, written) for number, written in read_lines(data, name, _Written, _wrong)]
    if not lines:
        raise ExamplesError([f"{name}: has no lines; give one JSON object a line"])
    return lines


def prompts_of(data: bytes) -> list[str]:
    """The prompts of lines that are examples of a classifier; what cannot be read has none."""
    decode = msgspec.json.Decoder(_Prompt).decode
    found = []
    for text in data.split(b"\n"):
        with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            found.append(decode(text).prompt)
    return found


def _line(number: int, written: _Written) -> Line:
    body = dict(written.request or {})
    if written.prompt is not None:
        body["messages"] = [{"role": "user", "content": written.prompt}]
    elif written.messages is not None:
        body["messages"] = written.messages
    named = written.model if written.model is not None else body.get("model")
    said = {name: Said(each) if isinstance(each, str) else each for name, each in written.labels.items()}
    headers = {
        k.lower().encode("latin-1", "replace"): v.encode("latin-1", "replace") for k, v in written.headers.items()
    }
    return Line(
        number,
        operation_of(body),
        body,
        named if isinstance(named, str) else "",
        written.tenant or "",
        headers,
        written.label,
        said,
        written.scores,
        written.answers,
        "" if written.answer is None else str(written.answer),
    )


def _wrong(written: _Written) -> str | None:
    if sum(each is not None for each in (written.prompt, written.messages, written.request)) != 1:
        return 'the query: give exactly one of "prompt", "messages" and "request"'
    for target, score in written.scores.items():
        if not 0.0 <= score <= 1.0:
            return f"scores.{target}: is {score:g}; write a number from 0 (wrong) to 1 (right)"
    for target, answer in written.answers.items():
        for each in (answer, *answer.samples):
            if wrong := _wrong_answer(each):
                return f"answers.{target}.{wrong}"
    return None


def _wrong_answer(answer: Recorded) -> str | None:
    if any(not isfinite(value) or value > 0.0 for value in answer.logprobs):
        return "logprobs: log-probabilities are finite and not above 0"
    for name, value in (
        ("inputTokens", answer.input_tokens),
        ("outputTokens", answer.output_tokens),
        ("latencyMs", answer.latency_ms),
    ):
        if value is not None and not 0 <= value < 1e12:
            return f"{name}: is {value}; write a number that is not negative"
    for judge, percent in answer.judged.items():
        if not 0 <= percent <= 100:
            return f"judged.{judge}: is {percent}; write percent, from 0 to 100"
    return None
