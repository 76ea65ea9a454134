"""``consensus``: several models at once; where they do not agree, a stronger one answers."""

from collections.abc import Mapping

from signalbox.router.serving.chains.call import CallFailed
from signalbox.router.serving.chains.chain import PART, Candidate, Chain, Failure, Live
from signalbox.routing.chains.compiled import Consensus, Judge
from signalbox.routing.chains.equality import key_of
from signalbox.routing.chains.votes import Votes


async def consensus(chain: Chain, plan: Consensus) -> Candidate | Live:
    """What enough of the votes agree on. A voter that fails agrees with nobody."""
    votes = Votes(plan.weights)
    judge = plan.judge if plan.equality == "Judged" else None
    candidates: dict[int, Candidate] = {}
    failure: Failure | None = None
    async with chain.race("voter", [(choice, chain.asked) for choice in plan.voters], PART) as race:
        async for place, result in race:
            if isinstance(result, Candidate):
                candidates[place] = result
                votes.vote(place, key_of(result.answer, plan.equality))
            else:
                failure = chain.missed(result)
                votes.miss(place)
            agreed = votes.reached(plan.min_percent)
            if agreed or (agreed is False and judge is None and candidates):
                break  # not before there is an answer at all: it is needed where the stronger model fails
    if votes.leader is not None:  # before the judge: it may be one call too many
        chain.offer(candidates[votes.leader], votes.percent)
    if judge is not None and not votes.reached(plan.min_percent) and len(candidates) > 1:
        try:
            votes = await _judged(chain, plan, judge, candidates)
        except CallFailed as failed:
            failure = chain.missed(failed)
    if votes.leader is not None:
        chain.offer(candidates[votes.leader], votes.percent)
    agreed = bool(votes.reached(plan.min_percent))
    why = f"{votes.votes}; at least {plan.min_percent} percent"
    chain.trail.add("votes", score=round(votes.percent, 1), verdict="agreed" if agreed else "not agreed", why=why)
    if chain.best is not None and (agreed or (failure is not None and chain.on_failure == "BestSoFar")):
        return chain.best
    return Live("escalation", plan.direct)


async def _judged(chain: Chain, plan: Consensus, judge: Judge, candidates: Mapping[int, Candidate]) -> Votes:
    """The votes by what the judge finds equal, of answers that differ in more than their form."""
    places: dict[object, list[int]] = {}
    for place in sorted(candidates):
        places.setdefault(key_of(candidates[place].answer, plan.equality) or ("alone", place), []).append(place)
    distinct = list(places.values())
    groups = await chain.group(judge, [candidates[equal[0]].answer for equal in distinct], part=PART)
    votes = Votes(plan.weights)
    for place in range(len(plan.weights)):
        votes.miss(place)
    for number, group in enumerate(groups):
        for index in group:
            for place in distinct[index]:
                votes.vote(place, number)
    return votes
