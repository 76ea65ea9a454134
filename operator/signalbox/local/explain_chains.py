"""Which calls a chain may make for a request, and what they may cost."""

from collections.abc import Callable, Iterator, Sequence

from signalbox.local.explained import ChainPlan, PlannedCall
from signalbox.routing import config
from signalbox.routing.chains.compiled import answers_wanted, wants_several
from signalbox.routing.chains.judging import MAX_TOKENS, OWN_TOKENS, RUBRIC
from signalbox.routing.choosing import expectations
from signalbox.routing.features import Facts

_SHOWN = 60


def chain(strategy: config.Chain, facts: Facts, backend_of: Callable[[str], config.Backend]) -> ChainPlan:
    """All calls in their order, with what the router holds against ``maxCost`` before it has measured anything."""
    limits = strategy.limits
    single = wants_several(facts.request_operation, facts.body)
    calls = list(_single(strategy) if single else _calls(strategy))
    prices = _Prices(facts, backend_of, single=single)
    for call in calls:
        call.cost = prices.of(call)
    unpriced = {name for call in calls for name in call.targets if backend_of(name).pricing is None}
    first = sum(
        call.times
        for call in calls
        if call.step == calls[0].step and not (isinstance(strategy, config.Consensus) and call.purpose == "judge")
    )
    return ChainPlan(
        calls=calls,
        least_calls=min(first, limits.max_calls),
        most_calls=min(sum(call.times for call in calls), limits.max_calls),
        max_calls=limits.max_calls,
        timeout_ms=limits.timeout_ms,
        on_failure=strategy.on_failure,
        most_cost=sum(call.cost for call in calls if call.cost is not None),
        max_cost=None if limits.max_cost is None else limits.max_cost / 1e12,
        unpriced=sorted(unpriced),
        note="asks for several answers, or for none to compare: one target serves it" if single else "",
    )


class _Prices:
    """What calls cost for one request at the worst."""

    def __init__(self, facts: Facts, backend_of: Callable[[str], config.Backend], *, single: bool) -> None:
        self._prompt = facts.conversation_tokens
        most = facts.request_max_tokens
        self._output = expectations.PRIOR_LONG_OUTPUT_TOKENS if most is None else float(most)
        self._written = answers_wanted(facts.request_operation, facts.body) if single else 1
        self._backend_of = backend_of
        self._answers = self._step = 0

    def of(self, call: PlannedCall) -> float | None:
        """Of all that a plan names at once, in units of the currency; of several targets, the dearest is drawn."""
        pricings = [self._backend_of(name).pricing for name in call.targets]
        known = [pricing for pricing in pricings if pricing is not None]
        if call.purpose == "judge":
            prompt, output = self._prompt + self._answers * self._output + OWN_TOKENS, float(MAX_TOKENS)
        else:
            prompt, output = float(self._prompt), self._written * self._output
            self._answers = call.times + (self._answers if call.step == self._step else 0)
            self._step = call.step
        if not known:
            return None
        return call.times * max(expectations.cost(prompt, output, pricing) for pricing in known) / 1e12


def _single(strategy: config.Chain) -> Iterator[PlannedCall]:
    """Several choices at once are one target's."""
    match strategy:
        case config.Cascade(steps=steps):
            yield PlannedCall(step=len(steps), purpose="answer", targets=_names(steps[-1].targets))
        case config.BestOf(targets=sampled):
            yield PlannedCall(step=1, purpose="answer", targets=[sampled[0].target])
        case config.Consensus(escalate_to=stronger):
            yield PlannedCall(step=2, purpose="escalation", targets=[stronger])


def _calls(strategy: config.Chain) -> Iterator[PlannedCall]:
    match strategy:
        case config.Cascade(steps=steps):
            for number, step in enumerate(steps, 1):
                yield from _step(number, step)
        case config.BestOf(targets=sampled, judge=judge, equality=equality):
            how = "the judge chooses" if judge is not None else f"the most frequent, {_equal(equality)}"
            for each in sampled:
                yield PlannedCall(step=1, purpose="sample", targets=[each.target], times=each.samples, accept=how)
            yield from _judge(1, judge)
        case config.Consensus(targets=voters, judge=judge, equality=equality, min_percent=least):
            total = sum(voter.weight for voter in voters)
            for voter in voters:
                weight = f"{100 * voter.weight / total:.0f} % of the votes, {least} % must agree, {_equal(equality)}"
                yield PlannedCall(step=1, purpose="vote", targets=[voter.target], accept=weight)
            yield from _judge(1, judge)
            yield PlannedCall(step=2, purpose="escalation", targets=[strategy.escalate_to])


def _step(number: int, step: config.Step) -> Iterator[PlannedCall]:
    names = _names(step.targets)
    match step.accept:
        case config.ByAgreement(min_percent=least, samples=samples, equality=equality):
            accept = f"{least} % of {samples} answers agree, {_equal(equality)}"
            yield PlannedCall(step=number, purpose="sample", targets=names, times=samples, accept=accept)
        case config.ByJudge(min_percent=least, judge=judge):
            accept = f"the judge gives {least} % or more"
            yield PlannedCall(step=number, purpose="answer", targets=names, accept=accept)
            yield from _judge(number, judge)
        case config.ByLogProbs(min_percent=least, model=model):
            how = "fitted" if model else "uncalibrated"
            accept = f"log-probabilities give {least} % or more ({how})"
            yield PlannedCall(step=number, purpose="answer", targets=names, accept=accept)
        case config.ByExpression(condition=condition):
            yield PlannedCall(step=number, purpose="answer", targets=names, accept=condition.source.strip())
        case None:
            yield PlannedCall(step=number, purpose="answer", targets=names, accept="always")


def _judge(number: int, judge: config.Judge | None) -> Iterator[PlannedCall]:
    if judge is not None:
        rubric = " ".join((judge.rubric or RUBRIC).split())
        shown = rubric if len(rubric) <= _SHOWN else f"{rubric[:_SHOWN]}…"
        yield PlannedCall(step=number, purpose="judge", targets=[judge.target], accept=f"by: {shown}")


def _names(shares: Sequence[config.Share]) -> list[str]:
    return [share.target for share in shares]


def _equal(equality: config.Equality) -> str:
    return {
        "Exact": "letter by letter",
        "Normalized": "case and punctuation aside",
        "Numeric": "by their last number",
        "Judged": "by the judge's word",
    }[equality]
