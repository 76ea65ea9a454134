"""Recorded answers as strategies see them, and what the calls for them took."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from signalbox.evaluation.bill import UNIT, Bill, Took
from signalbox.evaluation.lines import Line, Recorded, quality_of
from signalbox.evaluation.outcome import Way
from signalbox.routing import config
from signalbox.routing.chains.answers import Answer
from signalbox.routing.chains.budget import Budget
from signalbox.routing.features import Facts


class Lacking(Exception):  # noqa: N818 - of the line, not of this code
    """The line does not tell what the strategy needs."""


class Refused(Exception):  # noqa: N818 - of the policy, not of this code
    """What the router would answer by itself."""


@dataclass(frozen=True)
class Given:
    """An answer that was recorded, and what the call took."""

    target: str
    recorded: Recorded
    answer: Answer
    took: Took


@dataclass(frozen=True)
class Spent:
    """By the calls so far. None is what is not known; for limits it counts nothing."""

    cost: float | None = 0.0
    latency_ms: float | None = 0.0
    calls: int = 0
    estimated: bool = False

    def after(self, tooks: Sequence[Took]) -> "Spent":
        """With some more calls, made at once."""
        return Spent(
            _sum([self.cost, *(took.cost for took in tooks)]),
            _sum([self.latency_ms, _most([took.latency_ms for took in tooks])]),
            self.calls + len(tooks),
            self.estimated or any(took.estimated for took in tooks),
        )

    def room(self, limits: config.ChainLimits, expected: Sequence[int]) -> list[bool]:
        """Which of some calls fit into the limits, taken in turn; ``expected`` is what each may cost."""
        budget = Budget(limits.max_calls, limits.max_cost)
        for _ in range(self.calls):
            budget.begin(0)
        budget.end(0, round((self.cost or 0.0) * UNIT))
        found = []
        for cost in expected:
            found.append(not budget.short_of(cost))
            if found[-1]:
                budget.begin(cost)
        return found


@dataclass(frozen=True)
class Table:
    """One line before a chain. ``eligible`` are the targets that can serve the request."""

    line: Line
    facts: Facts
    bill: Bill
    backends: Mapping[str, config.Backend]
    eligible: frozenset[str]

    def answer(self, target: str) -> Given:
        """Of a target. Raises ``Lacking``."""
        recorded = self.line.answers.get(target)
        if recorded is None:
            raise Lacking(f"no answer of target {target} (answers.{target})")
        return self._read(target, recorded)

    def answers(self, target: str, count: int) -> list[Given]:
        """The first and its samples. Raises ``Lacking``."""
        first = self.answer(target)
        samples = first.recorded.samples
        if len(samples) + 1 < count:
            raise Lacking(f"{count} answers of target {target} are needed, {len(samples) + 1} recorded (samples)")
        return [first, *(self._read(target, each) for each in samples[: count - 1])]

    def direct(self, target: str) -> list[Way]:
        """What one target answers without a chain; it needs no recorded answer, like any request to one target."""
        if target not in self.eligible:
            return []
        answer = self.line.answers.get(target)
        took = self.bill.call(target, self.facts, answer)
        quality = self.line.quality(target)
        why = "" if quality is not None else f"no score of target {target}"
        return [Way(1.0, target, quality, took.cost, took.latency_ms, 1.0, took.estimated, why)]

    def expected(self, *targets: str) -> int:
        """What a call of the dearest of some targets may cost, in 10⁻¹² of the currency unit."""
        return self.bill.expected(targets, self.facts)

    def ended(self, given: Given | None, share: float, spent: Spent) -> list[Way]:
        """The way that ends with an answer; none where there is no answer."""
        if given is None:
            return []
        quality = quality_of(given.recorded)
        if quality is None and given.recorded is self.line.answers.get(given.target):
            quality = self.line.scores.get(given.target)
        why = "" if quality is not None else f"whether the answer of target {given.target} is right is not known"
        return [Way(share, given.target, quality, spent.cost, spent.latency_ms, spent.calls, spent.estimated, why)]

    def _read(self, target: str, recorded: Recorded) -> Given:
        answer = Answer(_body(recorded), self.line.body, recorded.output_tokens or 0)
        return Given(target, recorded, answer, self.bill.call(target, self.facts, recorded))


def _body(recorded: Recorded) -> bytes:
    """As an engine would have sent it."""
    message: dict[str, Any] = {"role": "assistant", "content": recorded.text}
    if recorded.tool_calls:
        message["tool_calls"] = recorded.tool_calls
    choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": recorded.finish_reason}
    if recorded.logprobs:
        choice["logprobs"] = {"content": [{"logprob": value} for value in recorded.logprobs]}
    return msgspec.json.encode({"choices": [choice]})


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _most(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return max(known, default=0.0) if len(known) == len(values) else None
