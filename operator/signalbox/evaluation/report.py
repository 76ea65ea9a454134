"""The figures of one policy over many queries, in all and by route."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np

from signalbox.evaluation.lines import Line
from signalbox.evaluation.outcome import Outcome
from signalbox.evaluation.statistics import Estimate, Floats, Recovery, column, means, quantile, recovery


class Reason(msgspec.Struct, frozen=True):
    """Why, and of how many queries."""

    why: str
    queries: int


class Figures(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Over ``queries`` that could be evaluated. ``quality`` is 0 to 1; ``cost`` that of a request, in units of the
    currency; each is over the queries where it is known, whose number stands beside it. ``shares`` are of requests, by
    the target whose answer is returned. ``estimated_costs`` says how many costs are made of estimated tokens."""

    queries: int
    quality: Estimate | None = None
    with_quality: int = 0
    cost: Estimate | None = None
    with_cost: int = 0
    estimated_costs: int = 0
    latency_ms: Estimate | None = None
    latency_p95_ms: float | None = None
    with_latency: int = 0
    calls: Estimate | None = None
    shares: dict[str, Estimate] = {}


class RouteFigures(msgspec.Struct, frozen=True, rename="camel"):
    """Of the queries that one route takes."""

    route: str
    strategy: str
    figures: Figures
    recovery: Recovery | None = None


class Alone(msgspec.Struct, frozen=True, rename="camel"):
    """What one target would be for the same queries: its quality where that is known, and what it would cost."""

    target: str
    quality: Estimate | None
    cost: Estimate | None


class Gap(msgspec.Struct, frozen=True, rename="camel"):
    """Between the target with the least mean score and the one with the largest, over ``queries`` that have both and
    the policy's quality."""

    weakest: str
    strongest: str
    queries: int
    weakest_quality: float
    strongest_quality: float
    policy_quality: float
    best_quality: float
    recovery: Recovery | None = None


class Labelling(msgspec.Struct, frozen=True, rename="camel"):
    """What a classifier said of the queries that asked it; ``accuracy`` where lines have its ``label``."""

    classifier: str
    labels: dict[str, int]
    accuracy: Estimate | None = None


class PolicyReport(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Of one policy. ``unscored`` says why a query that is evaluable has no quality."""

    policy: str
    queries: int
    figures: Figures
    routes: list[RouteFigures]
    alone: list[Alone]
    gap: Gap | None = None
    classifiers: list[Labelling] = []
    not_evaluable: list[Reason] = []
    refused: list[Reason] = []
    unscored: list[Reason] = []
    notes: list[str] = []


def report(
    policy: str,
    targets: Sequence[str],
    labels: Mapping[str, Sequence[str]],
    lines: Sequence[Line],
    outcomes: Sequence[Outcome],
    costs: Sequence[Sequence[float | None]],
    notes: Sequence[str] = (),
) -> PolicyReport:
    """``targets`` are those of the policy, ``labels`` go by classifier, ``costs`` are of each target for each line."""
    pairs = [(line, outcome) for line, outcome in zip(lines, outcomes, strict=True) if outcome.evaluable]
    routes: dict[str, list[tuple[Line, Outcome]]] = {}
    for line, outcome in pairs:
        routes.setdefault(outcome.route, []).append((line, outcome))
    return PolicyReport(
        policy=policy,
        queries=len(lines),
        figures=figures([outcome for _, outcome in pairs], targets),
        routes=[
            RouteFigures(
                route,
                found[0][1].strategy,
                figures([outcome for _, outcome in found], targets),
                gap.recovery if (gap := _gap(found, targets)) is not None else None,
            )
            for route, found in routes.items()
        ],
        alone=_alone(lines, outcomes, costs, targets),
        gap=_gap(pairs, targets),
        classifiers=_labellings(pairs, labels),
        not_evaluable=_reasons(outcome.lacks for outcome in outcomes),
        refused=_reasons(outcome.refused for outcome in outcomes),
        unscored=_reasons(next((way.why for way in outcome.ways if way.why), "") for outcome in outcomes),
        notes=list(notes),
    )


def figures(outcomes: Sequence[Outcome], targets: Sequence[str]) -> Figures:
    """Of queries that are evaluable."""
    if not outcomes:
        return Figures(queries=0)
    shares = [outcome.shares for outcome in outcomes]
    named = [target for target in targets if any(target in each for each in shares)]
    quality = column([outcome.quality for outcome in outcomes])
    cost = column([outcome.cost for outcome in outcomes])
    latency = column([outcome.latency_ms for outcome in outcomes])
    calls = column([outcome.calls for outcome in outcomes])
    parts = [column([each.get(target, 0.0) for each in shares]) for target in named]
    found = means([quality, cost, latency, calls, *parts])
    return Figures(
        queries=len(outcomes),
        quality=found[0],
        with_quality=_known(quality),
        cost=found[1],
        with_cost=_known(cost),
        estimated_costs=sum(outcome.estimated and outcome.cost is not None for outcome in outcomes),
        latency_ms=found[2],
        latency_p95_ms=_p95(outcomes),
        with_latency=_known(latency),
        calls=found[3],
        shares={target: each for target, each in zip(named, found[4:], strict=True) if each is not None},
    )


def _p95(outcomes: Sequence[Outcome]) -> float | None:
    ways = [way for outcome in outcomes if outcome.latency_ms is not None for way in outcome.ways]
    if not ways:
        return None
    return quantile(column([way.latency_ms for way in ways]), column([way.share for way in ways]), 0.95)


def _alone(
    lines: Sequence[Line],
    outcomes: Sequence[Outcome],
    costs: Sequence[Sequence[float | None]],
    targets: Sequence[str],
) -> list[Alone]:
    rows = [(line, of) for line, outcome, of in zip(lines, outcomes, costs, strict=True) if outcome.evaluable]
    qualities = means([column([line.quality(target) for line, _ in rows]) for target in targets])
    prices = means([column([of[at] for _, of in rows]) for at in range(len(targets))])
    return [
        Alone(target, quality, price)
        for target, quality, price in zip(targets, qualities, prices, strict=True)
        if quality is not None
    ]


def _gap(pairs: Sequence[tuple[Line, Outcome]], targets: Sequence[str]) -> Gap | None:
    """Over the queries where all targets that have scores at all, and the policy, are known."""
    scored = [target for target in targets if any(line.quality(target) is not None for line, _ in pairs)]
    rows = [
        (outcome, [line.quality(target) for target in scored])
        for line, outcome in pairs
        if outcome.quality is not None and all(line.quality(target) is not None for target in scored)
    ]
    if len(scored) < 2 or not rows:
        return None
    scores = np.column_stack([column([of[at] for _, of in rows]) for at in range(len(scored))])
    mean = scores.mean(axis=0)
    weak, strong = int(mean.argmin()), int(mean.argmax())
    quality = column([outcome.quality for outcome, _ in rows])
    leaving = np.array([1.0 - outcome.shares.get(scored[weak], 0.0) for outcome, _ in rows])
    urge = np.array([outcome.urge for outcome, _ in rows])
    base, last = scores[:, weak], scores[:, strong] - scores[:, weak]
    gained = np.where(leaving > 0.0, _elsewhere(quality - base, leaving), last)
    return Gap(
        scored[weak],
        scored[strong],
        len(rows),
        float(mean[weak]),
        float(mean[strong]),
        float(quality.mean()),
        float(scores.max(axis=1).mean()),
        recovery(_lexicographic(leaving, urge), gained, last, quality - base),
    )


def _elsewhere(gain: Floats, leaving: Floats) -> Floats:
    """What leaving brings, where a part of such queries leaves."""
    return gain / np.where(leaving > 0.0, leaving, 1.0)


def _lexicographic(first: Floats, second: Floats) -> Floats:
    """One number that orders by ``first``, and where that is equal by ``second``."""
    _, place = np.unique(np.column_stack([np.round(first, 9), second]), axis=0, return_inverse=True)
    return place.reshape(-1).astype(np.float64)


def _labellings(pairs: Sequence[tuple[Line, Outcome]], labels: Mapping[str, Sequence[str]]) -> list[Labelling]:
    found = []
    for name, known in labels.items():
        said = [(line.label, outcome.labels[name]) for line, outcome in pairs if name in outcome.labels]
        if not said:
            continue
        counts = Counter(label for _, label in said)
        right = [None if true not in known else float(true == label) for true, label in said]
        found.append(Labelling(name, {each: counts[each] for each in known}, means([column(right)])[0]))
    return found


def _reasons(texts: Iterable[str]) -> list[Reason]:
    counts = Counter(text for text in texts if text)
    return [Reason(why, queries) for why, queries in counts.most_common()]


def _known(values: Floats) -> int:
    return int((~np.isnan(values)).sum())
