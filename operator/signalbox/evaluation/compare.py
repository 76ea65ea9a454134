"""Two policies on the same queries: what changes, for which of them, and by how much."""

from collections.abc import Sequence

import msgspec

from signalbox.evaluation.lines import Line
from signalbox.evaluation.outcome import Outcome
from signalbox.evaluation.run import Run
from signalbox.evaluation.statistics import Estimate, column, means
from signalbox.routing import prompts

_SAME = 1e-6


class Side(msgspec.Struct, frozen=True, rename="camel"):
    """What one policy does with a query. ``otherwise`` says why there are no shares."""

    route: str
    shares: dict[str, float]
    quality: float | None
    cost: float | None
    otherwise: str = ""


class Changed(msgspec.Struct, frozen=True, rename="camel"):
    """A query that goes elsewhere; the differences are ``after`` − ``before``."""

    line: int
    query: str
    before: Side
    after: Side
    quality: float | None
    cost: float | None


class Comparison(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Differences are after − before, over the ``queries`` that both policies have a value for, paired."""

    before: str
    after: str
    queries: int
    compared: int
    quality: Estimate | None
    cost: Estimate | None
    latency_ms: Estimate | None
    calls: Estimate | None
    better: int
    worse: int
    changed: list[Changed]


def pairs(before: Sequence[Run], after: Sequence[Run]) -> tuple[list[tuple[Run, Run]], list[str]]:
    """Policies of the same name; where each side has one alone, those two. And the names that have no partner."""
    if len(before) == len(after) == 1:
        return [(before[0], after[0])], []
    by_name = {each.policy: each for each in after}
    found = [(each, by_name[each.policy]) for each in before if each.policy in by_name]
    both = {one.policy for one, _ in found}
    return found, sorted({each.policy for each in (*before, *after)} - both)


def compare(before: Run, after: Run) -> Comparison:
    """Queries that both policies serve, those that change most first."""
    others = {line.number: outcome for line, outcome in zip(after.lines, after.outcomes, strict=True)}
    rows = [
        (line, outcome, others[line.number])
        for line, outcome in zip(before.lines, before.outcomes, strict=True)
        if line.number in others
    ]
    both = [(one, other) for _, one, other in rows if one.evaluable and other.evaluable]
    quality = [_difference(one.quality, other.quality) for one, other in both]
    found = means(
        [
            column(quality),
            column([_difference(one.cost, other.cost) for one, other in both]),
            column([_difference(one.latency_ms, other.latency_ms) for one, other in both]),
            column([_difference(one.calls, other.calls) for one, other in both]),
        ]
    )
    changed = [_changed(line, one, other) for line, one, other in rows if _differs(one, other)]
    changed.sort(key=lambda each: (-abs(each.quality or 0.0), -abs(each.cost or 0.0), each.line))
    return Comparison(
        before=before.policy,
        after=after.policy,
        queries=len(rows),
        compared=len(both),
        quality=found[0],
        cost=found[1],
        latency_ms=found[2],
        calls=found[3],
        better=sum(each is not None and each > _SAME for each in quality),
        worse=sum(each is not None and each < -_SAME for each in quality),
        changed=changed,
    )


def _differs(one: Outcome, other: Outcome) -> bool:
    """Whether it is another target that answers, or nobody on one side."""
    if one.evaluable != other.evaluable:
        return True
    mine, theirs = one.shares, other.shares
    return any(abs(mine.get(name, 0.0) - theirs.get(name, 0.0)) > _SAME for name in mine.keys() | theirs.keys())


def _changed(line: Line, one: Outcome, other: Outcome) -> Changed:
    return Changed(
        line.number,
        prompts.query(line.operation, line.body),
        _side(one),
        _side(other),
        _difference(one.quality, other.quality),
        _difference(one.cost, other.cost),
    )


def _side(outcome: Outcome) -> Side:
    otherwise = f"not evaluable: {outcome.lacks}" if outcome.lacks else outcome.refused
    return Side(outcome.route, outcome.shares, outcome.quality, outcome.cost, otherwise)


def _difference(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else other - one
