"""``cascade``: a cheap model first, the next one only where its answer is not good enough."""

from typing import Any

from signalbox.router.serving.chains.call import CallFailed
from signalbox.router.serving.chains.chain import PART, Candidate, Chain, Exhausted, Live
from signalbox.router.serving.classifiers.counted import ask_awaited
from signalbox.router.wire.errors import Refusal
from signalbox.routing import config
from signalbox.routing.chains import bodies
from signalbox.routing.chains.compiled import Cascade, Step
from signalbox.routing.chains.confidence import confidence
from signalbox.routing.chains.equality import key_of
from signalbox.routing.chains.votes import Votes
from signalbox.routing.expressions.values import UNKNOWN, EvaluationError, Unknown


async def cascade(chain: Chain, plan: Cascade) -> Candidate | Live:
    """The first answer that is accepted; the last step answers the client itself."""
    steps = [
        (f"step {number}", step)
        for number, step in enumerate(plan.steps, 1)
        if chain.can_serve(step.choice, logprobs=isinstance(step.accept, config.ByLogProbs))
    ]
    for what, step in steps[:-1]:
        try:
            accepted = await _taken(chain, what, step)
        except CallFailed as failed:
            accepted = chain.degrade(failed)
        if accepted is not None:
            return accepted
    if not steps:
        return Live("direct", plan.direct)
    what, last = steps[-1]
    return Live(what, last.choice)


async def _taken(chain: Chain, what: str, step: Step) -> Candidate | None:
    """The answer of a step, if it is good enough. Raises ``CallFailed`` where nobody can say."""
    accept = step.accept
    if isinstance(accept, config.ByAgreement):
        return await _agreed(chain, what, step, accept)
    asked = chain.asked
    if isinstance(accept, config.ByLogProbs):
        asked = bodies.with_logprobs(chain.operation, asked)
    candidate = await chain.ask(what, step.choice, asked, part=PART)
    if candidate.answer.tools or accept is None:
        chain.trail.add(what, verdict="accepted", why="calls a tool" if accept is not None else "")
        return candidate
    chain.offer(candidate, None)
    match accept:
        case config.ByLogProbs(min_percent=least):
            logprobs = candidate.answer.logprobs
            if not logprobs:
                raise _unjudged(chain, what, candidate, "no log-probabilities")
            score = 100 * confidence(step.confidence, logprobs, candidate.answer.chars)
        case config.ByJudge(min_percent=least):
            assert step.judge is not None
            score = await chain.score(step.judge, candidate.answer, part=PART)
        case config.ByExpression():
            return candidate if await _holds(chain, what, step, candidate) else None
    return _settled(chain, what, candidate, score, least)


def _settled(chain: Chain, what: str, candidate: Candidate, score: float, least: int) -> Candidate | None:
    good = score >= least
    shown = round(score, 1)
    chain.trail.add(what, score=shown, verdict="accepted" if good else "rejected", why=f"at least {least}")
    chain.offer(candidate, score)
    return candidate if good else None


async def _holds(chain: Chain, what: str, step: Step, candidate: Candidate) -> bool:
    """Whether the condition over the answer does; one that cannot be evaluated does not."""
    assert step.condition is not None
    facts = chain.facts
    facts.answer = candidate.answer
    why = "the expression"
    holds: bool | Unknown = False
    try:
        while (holds := step.condition(facts)) is UNKNOWN:
            await ask_awaited(chain.exchange, facts)
    except EvaluationError:
        why = "the expression cannot be evaluated"
        chain.condition_failed()
    good = holds is True
    chain.exchange.said = chain.facts.said
    chain.trail.add(what, verdict="accepted" if good else "rejected", why=why)
    chain.offer(candidate, 100.0 if good else 0.0)
    return good


async def _agreed(chain: Chain, what: str, step: Step, accept: config.ByAgreement) -> Candidate | None:
    """The answer that most samples give, if enough of them do."""
    votes = Votes([1] * accept.samples)
    asked: list[tuple[Any, dict[str, Any]]] = [
        (step.choice, bodies.sample(chain.asked, number)) for number in range(accept.samples)
    ]
    candidates: dict[int, Candidate] = {}
    failure: CallFailed | Exhausted | None = None
    async with chain.race(f"{what} sample", asked, PART) as race:
        async for place, result in race:
            if not isinstance(result, Candidate):
                failure = chain.missed(result)
                votes.miss(place)
            elif result.answer.tools:
                chain.trail.add(what, verdict="accepted", why="calls a tool")
                return result
            else:
                candidates[place] = result
                votes.vote(place, key_of(result.answer, accept.equality))
            if votes.reached(accept.min_percent) is not None:
                break
    leader = votes.leader
    if leader is None:
        assert failure is not None
        raise failure
    return _settled(chain, what, candidates[leader], votes.percent, accept.min_percent)


def _unjudged(chain: Chain, what: str, candidate: Candidate, why: str) -> CallFailed:
    target = candidate.reply.target
    chain.trail.add(what, verdict="unjudged", why=why)
    return CallFailed("unjudged", Refusal(502, "upstream_error", f"Target {target}: {why}.", retriable=False), target)
