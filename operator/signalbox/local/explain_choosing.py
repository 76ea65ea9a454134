"""Which targets ``select`` and ``objective`` prefer for a query, and why."""

from collections.abc import Callable, Iterator, Mapping

from signalbox.local.explained import Candidate
from signalbox.routing import config
from signalbox.routing.choosing.candidate import Candidate as Expected
from signalbox.routing.choosing.candidate import LiveTarget
from signalbox.routing.choosing.objective import misses, rank
from signalbox.routing.expressions.translate import translate
from signalbox.routing.expressions.values import UNKNOWN, EvaluationError, UnknownValueError
from signalbox.routing.features import Facts

Describe = Callable[[str], Candidate]
"""A target as a candidate: with what it lacks, if it lacks something."""


def select(strategy: config.Select, facts: Facts, describe: Describe) -> list[Candidate]:
    """The target of the label, then ``otherwise``, then the others; where the label is not known, nobody is chosen."""
    stands_for: dict[str, list[str]] = {}
    for each in strategy.targets:
        stands_for.setdefault(each.target, []).append(each.label)
    label = facts.said[strategy.by].label if strategy.by in facts.said else ""
    chosen = [each.target for each in strategy.targets if each.label == label]
    order = dict.fromkeys((*chosen, *([strategy.otherwise] if strategy.otherwise else []), *stands_for))
    candidates = [describe(name) for name in order]
    for candidate in candidates:
        candidate.labels = stands_for.get(candidate.target, [])
    if label:
        _first(candidates)
    return candidates


def objective(
    strategy: config.Objective, facts: Facts, targets: Mapping[str, LiveTarget], describe: Describe
) -> list[Candidate]:
    """Best first, then those that are left out. Raises ``UnknownValueError``."""
    said = facts.classified.of(strategy.quality) if strategy.quality else None
    ranked = []
    for position, name in enumerate(strategy.targets):
        expected = Expected(name, position, targets[name], facts, said)
        candidate = describe(name)
        candidate.quality = expected.percent
        candidate.cost = None if expected.cost is None else expected.cost / 1e12
        candidate.first_token_ms = expected.first_token_ms
        candidate.load = expected.load
        candidate.misses = [bound for bound, part in misses(expected, strategy.bounds) if part > 0]
        candidate.dropped = _filtered(strategy, facts, expected) or candidate.dropped
        ranked.append((bool(candidate.dropped), rank(expected, strategy), candidate))
    ranked.sort(key=lambda each: each[:2])
    candidates = [candidate for _, _, candidate in ranked]
    _first(candidates)
    return candidates


def _filtered(strategy: config.Objective, facts: Facts, expected: Expected) -> str:
    """Why the filter leaves a target out; empty where it does not."""
    if strategy.filter is None:
        return ""
    facts.target = expected
    try:
        holds = translate(strategy.filter)(facts)
    except EvaluationError as error:
        return f"the filter errors: {error}"
    if holds is UNKNOWN:
        raise UnknownValueError(facts.awaited)
    return "" if holds is True else "the filter does not hold"


def _first(candidates: list[Candidate]) -> None:
    for candidate in _left(candidates):
        candidate.share = 100.0
        return


def _left(candidates: list[Candidate]) -> Iterator[Candidate]:
    return (candidate for candidate in candidates if not candidate.dropped)
