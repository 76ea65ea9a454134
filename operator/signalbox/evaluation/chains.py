"""Cascades, best-of-N and consensus on recorded answers.

Calls that a router makes at once count all, as if none could be cancelled early: what is said of cost is the most.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from signalbox.evaluation.bill import Bill, Took
from signalbox.evaluation.lines import Line, Recorded, quality_of
from signalbox.evaluation.outcome import Way
from signalbox.evaluation.shares import expected_shares
from signalbox.routing import config, prompts
from signalbox.routing.chains import confidence, judging
from signalbox.routing.chains.answers import Answer
from signalbox.routing.chains.budget import Budget
from signalbox.routing.chains.equality import key_of
from signalbox.routing.chains.votes import Votes
from signalbox.routing.expressions.references import references
from signalbox.routing.expressions.translate import translate
from signalbox.routing.expressions.tree import Condition
from signalbox.routing.expressions.values import EvaluationError
from signalbox.routing.features import Facts

MOST_WAYS: Final = 1024
_VERDICT_TOKENS: Final = 8
"""Of a judge's answer: {"score": 87}."""
_COST: Final = 1_000_000_000_000


class Lacking(Exception):  # noqa: N818 - of the line, not of this code
    """The line does not tell what the strategy needs."""


@dataclass(frozen=True)
class _Given:
    """An answer that was recorded, and what the call took."""

    target: str
    recorded: Recorded
    answer: Answer
    took: Took


@dataclass(frozen=True)
class _Sum:
    """Of the calls so far."""

    cost: float | None = 0.0
    latency_ms: float | None = 0.0
    calls: int = 0
    estimated: bool = False

    def after(self, tooks: Sequence[Took]) -> "_Sum":
        """With some more, made at once."""
        return _Sum(
            _add(self.cost, *(took.cost for took in tooks)),
            _add(self.latency_ms, _most([took.latency_ms for took in tooks])),
            self.calls + len(tooks),
            self.estimated or any(took.estimated for took in tooks),
        )


class Chains:
    """One line through one chain. ``eligible`` are the targets that can serve the request."""

    def __init__(
        self, line: Line, facts: Facts, bill: Bill, backends: dict[str, config.Backend], eligible: frozenset[str]
    ) -> None:
        self._line = line
        self._facts = facts
        self._bill = bill
        self._backends = backends
        self._eligible = eligible
        self._made = 0

    def run(self, strategy: config.Chain) -> tuple[list[Way], float]:
        """The ways, and how unsure the first answer was. Raises ``Lacking``."""
        match strategy:
            case config.Cascade():
                return self._cascade(strategy)
            case config.BestOf():
                return self._best_of(strategy), 0.0
            case config.Consensus():
                return self._consensus(strategy)

    # cascades

    def _cascade(self, strategy: config.Cascade) -> tuple[list[Way], float]:
        first = len(strategy.steps) - 1 if self._several else 0
        self._urge = 0.0
        return list(self._from(strategy, first, 1.0, _Sum(), None)), self._urge

    def _from(self, strategy: config.Cascade, at: int, share: float, spent: _Sum, best: _Given | None) -> list[Way]:
        """The ways from a step on."""
        step = strategy.steps[at]
        drawn = expected_shares(step.targets, self._eligible)
        if not drawn:  # nobody of the step can serve it: as when it fails
            last = at == len(strategy.steps) - 1
            return self._ended(best, share, spent) if last else self._from(strategy, at + 1, share, spent, best)
        ways: list[Way] = []
        for target, part in drawn:
            ways += self._step(strategy, at, target, share * part, spent, best)
        return ways

    def _step(
        self, strategy: config.Cascade, at: int, target: str, share: float, spent: _Sum, best: _Given | None
    ) -> list[Way]:
        self._made += 1
        if self._made > MOST_WAYS:
            raise Lacking(f"the cascade has more than {MOST_WAYS} ways for one request")
        given = self._given(target)
        if best is not None and self._short(strategy.limits, spent, [given.took]):
            return self._ended(best, share, spent)
        spent = spent.after([given.took])
        accept = strategy.steps[at].accept
        if accept is None or given.answer.tools:
            return self._ended(given, share, spent)
        accepted, spent = self._accepts(strategy.limits, accept, given, spent, first=at == 0)
        if accepted:
            return self._ended(given, share, spent)
        return self._from(strategy, at + 1, share, spent, given)

    def _accepts(
        self, limits: config.ChainLimits, accept: config.Accept, given: _Given, spent: _Sum, *, first: bool
    ) -> tuple[bool, _Sum]:
        match accept:
            case config.ByExpression(condition=condition):
                return self._holds(condition, given), spent
            case config.ByLogProbs(model=model):
                if not given.recorded.logprobs:
                    raise Lacking(f"no log-probabilities of target {given.target} (answers.{given.target}.logprobs)")
                fitted = confidence.decode(model) if model else None
                sure = 100.0 * confidence.confidence(fitted, given.recorded.logprobs, given.answer.chars)
            case config.ByAgreement(samples=samples, equality=equality):
                others = self._samples(given.target, samples)[1:]
                tooks = [each.took for each in others]
                if self._short(limits, spent, tooks):
                    return False, spent
                spent = spent.after(tooks)
                keys = [key_of(each.answer, equality) for each in (given, *others)]
                same = 1 + sum(key == keys[0] for key in keys[1:]) if keys[0] is not None else 1
                sure = 100.0 * same / samples
            case config.ByJudge(judge=judge):
                percent = given.recorded.judged.get(judge.target)
                if percent is None:
                    raise Lacking(
                        f"what judge {judge.target} says of the answer of target {given.target} was not recorded "
                        f"(answers.{given.target}.judged.{judge.target})"
                    )
                took = self._judged(judge, given)
                if self._short(limits, spent, [took]):
                    return False, spent
                spent = spent.after([took])
                sure = float(percent)
        if first:
            self._urge = max(self._urge, 1.0 - sure / 100.0)
        return sure >= accept.min_percent, spent

    def _holds(self, condition: Condition, given: _Given) -> bool:
        if given.recorded.finish_reason is None and "answer.finishReason" in references(condition.tree):
            raise Lacking(f"why the answer of target {given.target} ended was not recorded (finishReason)")
        self._facts.answer = given.answer
        try:
            return translate(condition)(self._facts) is True
        except EvaluationError:
            return False

    def _judged(self, judge: config.Judge, given: _Given) -> Took:
        """What asking the judge takes; nobody records it, so it is an estimate."""
        asked = judging.request(
            "score", judge.rubric, self._line.operation, self._line.body, [given.answer], "key", schema=False
        )
        return Took(self._bill.priced(judge.target, prompts.prompt_tokens("chat", asked), _VERDICT_TOKENS), None, True)

    # several at once

    def _best_of(self, strategy: config.BestOf) -> list[Way]:
        if self._several:
            return self._alone(strategy.targets[0].target)
        asked = [each for each in strategy.targets if each.target in self._eligible]
        answers = [given for each in asked for given in self._samples(each.target, each.samples)]
        if not answers:
            return []
        if strategy.judge is not None and len(answers) > 1:
            raise Lacking(f"which of {len(answers)} answers judge {strategy.judge.target} finds best is not recorded")
        votes = Votes([1] * len(answers))
        for place, given in enumerate(answers):
            votes.vote(place, key_of(given.answer, strategy.equality))
        assert votes.leader is not None
        spent = _Sum().after([given.took for given in answers])
        return self._ended(answers[votes.leader], 1.0, spent)

    def _consensus(self, strategy: config.Consensus) -> tuple[list[Way], float]:
        if self._several:
            return self._alone(strategy.escalate_to), 0.0
        votes = Votes([voter.weight for voter in strategy.targets])
        answers: dict[int, _Given] = {}
        for place, voter in enumerate(strategy.targets):
            if voter.target not in self._eligible:
                votes.miss(place)
                continue
            answers[place] = given = self._given(voter.target)
            votes.vote(place, key_of(given.answer, strategy.equality))
        spent = _Sum().after([given.took for given in answers.values()])
        if strategy.equality == "Judged" and len(answers) > 1 and not votes.reached(100):
            raise Lacking("which answers the judge of the consensus finds equal was not recorded")
        urge = 1.0 - votes.percent / 100.0
        if votes.reached(strategy.min_percent) and votes.leader is not None:
            return self._ended(answers[votes.leader], 1.0, spent), urge
        best = answers[votes.leader] if votes.leader is not None else None
        if strategy.escalate_to not in self._eligible:
            return self._ended(best, 1.0, spent), urge
        stronger = self._given(strategy.escalate_to)
        if best is not None and self._short(strategy.limits, spent, [stronger.took]):
            return self._ended(best, 1.0, spent), urge
        return self._ended(stronger, 1.0, spent.after([stronger.took])), urge

    # answers

    @property
    def _several(self) -> bool:
        return (self._facts.request_n or 1) > 1

    def _alone(self, target: str) -> list[Way]:
        given = self._given(target)
        return self._ended(given, 1.0, _Sum().after([given.took]))

    def _given(self, target: str) -> _Given:
        recorded = self._line.answers.get(target)
        if recorded is None:
            raise Lacking(f"no answer of target {target} (answers.{target})")
        return self._read(target, recorded)

    def _samples(self, target: str, count: int) -> list[_Given]:
        first = self._given(target)
        samples = first.recorded.samples
        if len(samples) + 1 < count:
            raise Lacking(f"{count} answers of target {target} are needed, {len(samples) + 1} recorded (samples)")
        return [first, *(self._read(target, each) for each in samples[: count - 1])]

    def _read(self, target: str, recorded: Recorded) -> _Given:
        answer = Answer(_body(recorded), self._line.body, recorded.output_tokens or 0)
        return _Given(target, recorded, answer, self._bill.call(target, self._facts, recorded))

    def _ended(self, given: _Given | None, share: float, spent: _Sum) -> list[Way]:
        if given is None:
            return []
        quality = quality_of(given.recorded)
        if quality is None and given.recorded is self._line.answers.get(given.target):
            quality = self._line.scores.get(given.target)
        why = "" if quality is not None else f"whether the answer of target {given.target} is right is not known"
        return [Way(share, given.target, quality, spent.cost, spent.latency_ms, spent.calls, spent.estimated, why)]

    def _short(self, limits: config.ChainLimits, spent: _Sum, tooks: Sequence[Took]) -> bool:
        """Whether the limits leave no room for some more calls; what is not known costs nothing here."""
        budget = Budget(limits.max_calls, limits.max_cost)
        for _ in range(spent.calls):
            budget.begin(0)
        budget.end(0, round((spent.cost or 0.0) * _COST))
        for took in tooks:
            cost = round((took.cost or 0.0) * _COST)
            if budget.short_of(cost):
                return True
            budget.begin(cost)
        return False


def _body(recorded: Recorded) -> bytes:
    """As an engine would have sent it."""
    message: dict[str, Any] = {"role": "assistant", "content": recorded.text}
    if recorded.tool_calls:
        message["tool_calls"] = recorded.tool_calls
    choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": recorded.finish_reason}
    if recorded.logprobs:
        choice["logprobs"] = {"content": [{"logprob": value} for value in recorded.logprobs]}
    return msgspec.json.encode({"choices": [choice]})


def _add(*values: float | None) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _most(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return max(known, default=0.0) if len(known) == len(values) else None
