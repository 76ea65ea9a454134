"""Cascades on recorded answers. Calls made at once count all, as if none could be cancelled early."""

from typing import Final, NamedTuple

from signalbox.evaluation.bill import Took
from signalbox.evaluation.given import Given, Lacking, Refused, Spent, Table
from signalbox.evaluation.outcome import Way
from signalbox.evaluation.shares import expected_shares
from signalbox.routing import config, prompts
from signalbox.routing.chains import judging
from signalbox.routing.chains.confidence import confidence, decode
from signalbox.routing.chains.equality import key_of
from signalbox.routing.chains.votes import Votes
from signalbox.routing.expressions.references import references
from signalbox.routing.expressions.translate import translate
from signalbox.routing.expressions.tree import Condition
from signalbox.routing.expressions.values import EvaluationError

MOST_WAYS: Final = 1024
VERDICT_TOKENS: Final = 8
"""Of a judge's answer: {"score": 87}."""
COST_LIMIT: Final = "400: an answer could cost more than the route allows"


class Best(NamedTuple):
    """The best answer so far, and how good it was judged, in percent."""

    given: Given
    sure: float


class Cascades:
    """One line through one cascade."""

    def __init__(self, table: Table, strategy: config.Cascade) -> None:
        self._table = table
        self._limits = strategy.limits
        self._steps = [(step, drawn) for step in strategy.steps if (drawn := self._drawn(step))]
        self._made = 0
        self._urge = 0.0

    def run(self) -> tuple[list[Way], float]:
        """The ways, and how unsure the answer of the first step was. Raises ``Lacking`` and ``Refused``."""
        ways = self._from(0, 1.0, Spent(), None) if self._steps else []
        return ways, self._urge

    def _drawn(self, step: config.Step) -> list[tuple[str, float]]:
        """Who of a step can serve it, by share."""
        able = self._table.eligible
        if isinstance(step.accept, config.ByLogProbs):
            features = {name: self._table.backends[name].features for name in able}
            able = frozenset(name for name in able if (of := features[name]) is None or "LogProbs" in of)
        return expected_shares(step.targets, able)

    def _from(self, at: int, share: float, spent: Spent, best: Best | None) -> list[Way]:
        """The ways from a step on."""
        step, drawn = self._steps[at]
        expected = self._table.expected(*(each.target for each in step.targets if each.weight))
        if not all(spent.room(self._limits, [expected])):
            return self._out_of_money(best, share, spent)
        ways: list[Way] = []
        for target, part in drawn:
            ways += self._step(at, target, share * part, spent, best)
        return ways

    def _step(self, at: int, target: str, share: float, spent: Spent, best: Best | None) -> list[Way]:
        self._made += 1
        if self._made > MOST_WAYS:
            raise Lacking(f"the cascade has more than {MOST_WAYS} ways for one request")
        table, accept = self._table, self._steps[at][0].accept
        last = at == len(self._steps) - 1
        if isinstance(accept, config.ByAgreement) and not last:
            return self._agreement(at, accept, target, share, spent, best)
        given = table.answer(target)
        spent = spent.after([given.took])
        if last or accept is None or given.answer.tools:
            return table.ended(given, share, spent)
        match accept:
            case config.ByExpression(condition=condition):
                if self._holds(condition, given):
                    return table.ended(given, share, spent)
                return self._from(at + 1, share, spent, _better(best, given, 0.0))
            case config.ByLogProbs(model=model):
                if not given.recorded.logprobs:
                    raise Lacking(f"no log-probabilities of target {target} (answers.{target}.logprobs)")
                fitted = decode(model) if model else None
                sure = 100.0 * confidence(fitted, given.answer.logprobs, given.answer.chars)
            case config.ByJudge(judge=judge):
                percent = given.recorded.judged.get(judge.target)
                if percent is None:
                    raise Lacking(
                        f"what judge {judge.target} says of the answer of target {target} was not recorded "
                        f"(answers.{target}.judged.{judge.target})"
                    )
                if not all(spent.room(self._limits, [table.expected(judge.target)])):
                    return table.ended(given, share, spent)
                spent = spent.after([self._judged(judge, given)])
                sure = float(percent)
        return self._settled(at, accept.min_percent, sure, given, share, spent, best)

    def _agreement(
        self, at: int, accept: config.ByAgreement, target: str, share: float, spent: Spent, best: Best | None
    ) -> list[Way]:
        """The answer that most samples give, if enough of them do."""
        table = self._table
        samples = table.answers(target, accept.samples)
        votes = Votes([1] * accept.samples)
        room = spent.room(self._limits, [table.expected(target)] * accept.samples)
        made = [given for given, fits in zip(samples, room, strict=True) if fits]
        spent = spent.after([given.took for given in made])
        for place, (given, fits) in enumerate(zip(samples, room, strict=True)):
            if not fits:
                votes.miss(place)
            elif given.answer.tools:
                return table.ended(given, share, spent)
            else:
                votes.vote(place, key_of(given.answer, accept.equality))
        assert votes.leader is not None
        return self._settled(at, accept.min_percent, votes.percent, samples[votes.leader], share, spent, best)

    def _settled(
        self, at: int, least: int, sure: float, given: Given, share: float, spent: Spent, best: Best | None
    ) -> list[Way]:
        if at == 0:
            self._urge = max(self._urge, 1.0 - sure / 100.0)
        if sure >= least:
            return self._table.ended(given, share, spent)
        return self._from(at + 1, share, spent, _better(best, given, sure))

    def _holds(self, condition: Condition, given: Given) -> bool:
        if given.recorded.finish_reason is None and "answer.finishReason" in references(condition.tree):
            raise Lacking(f"why the answer of target {given.target} ended was not recorded (finishReason)")
        facts = self._table.facts
        facts.answer = given.answer
        try:
            return translate(condition)(facts) is True
        except EvaluationError:
            return False

    def _judged(self, judge: config.Judge, given: Given) -> Took:
        """What asking the judge takes; nobody records it, so it is an estimate."""
        line = self._table.line
        asked = judging.request("score", judge.rubric, line.operation, line.body, [given.answer], "key", schema=False)
        cost = self._table.bill.priced(judge.target, prompts.prompt_tokens("chat", asked), VERDICT_TOKENS)
        return Took(cost, 0.0, True)

    def _out_of_money(self, best: Best | None, share: float, spent: Spent) -> list[Way]:
        if best is None:
            raise Refused(COST_LIMIT)
        return self._table.ended(best.given, share, spent)


def _better(best: Best | None, given: Given, sure: float) -> Best:
    """Of two that were judged equally good, the later one."""
    return best if best is not None and best.sure > sure else Best(given, sure)
