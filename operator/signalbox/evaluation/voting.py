"""Best-of-N and consensus on recorded answers. All calls count, as if none could be cancelled early."""

from collections.abc import Sequence

from signalbox.evaluation.cascades import COST_LIMIT
from signalbox.evaluation.given import Given, Lacking, Refused, Spent, Table
from signalbox.evaluation.outcome import Way
from signalbox.routing import config
from signalbox.routing.chains.equality import key_of
from signalbox.routing.chains.votes import Votes


def best_of(table: Table, strategy: config.BestOf) -> list[Way]:
    """The answer that wins. Raises ``Lacking`` and ``Refused``."""
    places = [(each, number) for each in strategy.targets for number in range(each.samples)]
    given: list[Given | None] = [
        table.answers(each.target, each.samples)[number] if each.target in table.eligible else None
        for each, number in places
    ]
    made, spent = _asked(table, strategy.limits, given)
    if not made:
        return []
    equality = strategy.equality if strategy.judge is None else "Exact"
    votes = _votes([1] * len(given), made, equality)
    if strategy.judge is not None:
        distinct = {key_of(each.answer, "Exact") for each in made.values()}
        if len(distinct) > 1:
            judge = strategy.judge.target
            raise Lacking(f"which of {len(distinct)} answers judge {judge} finds best is not recorded")
    assert votes.leader is not None
    return table.ended(made[votes.leader], 1.0, spent)


def consensus(table: Table, strategy: config.Consensus) -> tuple[list[Way], float]:
    """What enough of the votes agree on, or the stronger target's; and how far they are apart. Raises ``Lacking`` and
    ``Refused``."""
    voters = strategy.targets
    given = [table.answer(voter.target) if voter.target in table.eligible else None for voter in voters]
    made, spent = _asked(table, strategy.limits, given)
    votes = _votes([voter.weight for voter in voters], made, strategy.equality)
    agreed = bool(votes.reached(strategy.min_percent))
    if strategy.equality == "Judged" and not agreed and len(made) > 1:
        raise Lacking("which answers the judge of the consensus finds equal was not recorded")
    urge = 1.0 - votes.percent / 100.0
    best = made[votes.leader] if votes.leader is not None else None
    if agreed:
        return table.ended(best, 1.0, spent), urge
    stronger = strategy.escalate_to
    fits = all(spent.room(strategy.limits, [table.expected(stronger)]))
    if stronger not in table.eligible or not fits:
        if best is None and not fits:
            raise Refused(COST_LIMIT)
        return table.ended(best, 1.0, spent), urge
    last = table.answer(stronger)
    return table.ended(last, 1.0, spent.after([last.took])), urge


def _asked(table: Table, limits: config.ChainLimits, given: Sequence[Given | None]) -> tuple[dict[int, Given], Spent]:
    """Those that are asked at once, by place: who cannot serve it is not, nor what goes beyond the limits."""
    places = [(place, each) for place, each in enumerate(given) if each is not None]
    room = Spent().room(limits, [table.expected(each.target) for _, each in places])
    made = {place: each for (place, each), fits in zip(places, room, strict=True) if fits}
    if places and not made:
        raise Refused(COST_LIMIT)
    return made, Spent().after([each.took for each in made.values()])


def _votes(weights: Sequence[int], made: dict[int, Given], equality: config.Equality) -> Votes:
    votes = Votes(weights)
    for place in range(len(weights)):
        if place in made:
            votes.vote(place, key_of(made[place].answer, equality))
        else:
            votes.miss(place)
    return votes
