"""``bestOf``: several answers at once, of which a judge or the majority chooses."""

import random
from collections.abc import Hashable, Mapping

from signalbox.router.serving.chains.call import CallFailed
from signalbox.router.serving.chains.chain import PART, Candidate, Chain, Failure
from signalbox.routing.chains import bodies
from signalbox.routing.chains.compiled import BestOf, Judge
from signalbox.routing.chains.equality import key_of
from signalbox.routing.chains.votes import Votes

_shuffle = random.shuffle


async def best_of(chain: Chain, plan: BestOf) -> Candidate:
    """The best of those that come in time. Raises ``CallFailed`` or ``Exhausted`` where none does."""
    judge = plan.judge
    votes = Votes([1] * len(plan.samples))
    candidates: dict[int, Candidate] = {}
    failure: Failure | None = None
    asked = [
        (choice, bodies.sample(chain.asked, number) if plan.repeated[number] else chain.asked)
        for number, choice in enumerate(plan.samples)
    ]
    async with chain.race("sample", asked, 1.0 if judge is None else PART) as race:
        async for place, result in race:
            if isinstance(result, Candidate):
                candidates[place] = result
                votes.vote(place, key_of(result.answer, plan.equality if judge is None else "Exact"))
                if votes.leader is not None:
                    chain.best = candidates[votes.leader]
            else:
                failure = chain.missed(result)
                votes.miss(place)
            if judge is None and votes.settled:
                break
    if chain.best is None:
        assert failure is not None
        raise failure
    if judge is not None:
        return await _judged(chain, judge, candidates)
    chain.trail.add("majority", target=chain.best.reply.target, why=votes.votes)
    return chain.best


async def _judged(chain: Chain, judge: Judge, candidates: Mapping[int, Candidate]) -> Candidate:
    distinct: dict[Hashable, Candidate] = {}
    for _, candidate in sorted(candidates.items()):
        distinct.setdefault(key_of(candidate.answer, "Exact"), candidate)
    among = list(distinct.values())
    if len(among) == 1:
        chain.trail.add("judge", why="nothing to choose from")
        return among[0]
    _shuffle(among)  # judges like what comes first
    try:
        chosen = among[await chain.choose(judge, [each.answer for each in among])]
    except CallFailed as failed:
        chain.missed(failed)
        chosen = _most_frequent(chain, candidates)
    chain.trail.add("judge", verdict=f"chose {chosen.reply.target}")
    return chosen


def _most_frequent(chain: Chain, candidates: Mapping[int, Candidate]) -> Candidate:
    """What is left to go by without a judge."""
    places = sorted(candidates)
    votes = Votes([1] * len(places))
    for number, place in enumerate(places):
        votes.vote(number, key_of(candidates[place].answer, "Normalized"))
    chain.trail.add("majority", why=votes.votes)
    return candidates[places[votes.leader or 0]]
