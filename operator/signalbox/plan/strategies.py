"""The strategy of a route, compiled: defaults filled in."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from signalbox.api.chains import Accept, BestOf, Cascade, ChainLimits, Consensus, Judge, Step
from signalbox.api.choosing import Objective, Select
from signalbox.api.routes import Route
from signalbox.api.types import Money
from signalbox.api.weighted import Failover, Weighted, WeightedTarget
from signalbox.plan.lessons import confidence_key
from signalbox.routing import config
from signalbox.routing.expressions.tree import Condition
from signalbox.routing.expressions.variables import Purpose

_PICOS = 10**12

Expression = Callable[[str, Purpose, str], Condition]
"""Compiles the source of an expression for a purpose; the last is its path below the route."""
Labels = Mapping[str, Sequence[str]]
"""Of each classifier."""


def strategy_of(route: Route, labels: Labels, compiled: Expression) -> config.Strategy:
    """What the router does where the route's condition holds."""
    if route.weighted is not None:
        return _weighted(route.weighted)
    if route.failover is not None:
        return _failover(route.failover)
    if route.select is not None:
        return _select(route.select, labels)
    if route.objective is not None:
        return _objective(route.objective, compiled)
    if route.cascade is not None:
        return _cascade(route, route.cascade, compiled)
    if route.best_of is not None:
        return _best_of(route, route.best_of)
    assert route.consensus is not None
    return _consensus(route, route.consensus)


def completed(
    routes: Iterable[config.Route], policy: str, qualities: Mapping[str, int], artefacts: Mapping[str, bytes]
) -> tuple[config.Route, ...]:
    """The routes with what does not come from the policy itself: qualities of targets, and what was learned."""
    return tuple(
        route
        if route.strategy is (strategy := _completed(route, policy, qualities, artefacts))
        else msgspec.structs.replace(route, strategy=strategy)
        for route in routes
    )


def _completed(
    route: config.Route, policy: str, qualities: Mapping[str, int], artefacts: Mapping[str, bytes]
) -> config.Strategy:
    strategy = route.strategy
    if isinstance(strategy, config.Consensus):
        voters = tuple(
            config.Voter(target=v.target, weight=qualities.get(v.target, v.weight)) for v in strategy.targets
        )
        return msgspec.structs.replace(strategy, targets=voters)
    if isinstance(strategy, config.Cascade):
        steps = list(strategy.steps)
        for index, step in enumerate(steps):
            model = artefacts.get(confidence_key(policy, route.name, index))
            if isinstance(step.accept, config.ByLogProbs) and model:
                steps[index] = msgspec.structs.replace(step, accept=msgspec.structs.replace(step.accept, model=model))
        return strategy if steps == list(strategy.steps) else msgspec.structs.replace(strategy, steps=tuple(steps))
    return strategy


def _weighted(weighted: Weighted) -> config.Weighted:
    return config.Weighted(targets=_shares(weighted.targets), free=_free(weighted.targets))


def _failover(failover: Failover) -> config.Failover:
    tiers = tuple(config.Tier(targets=_shares(t.targets), free=_free(t.targets)) for t in failover.tiers)
    spill = failover.spill
    return config.Failover(
        tiers=tiers,
        spill=config.Spill(from_percent=spill.from_percent, to_percent=spill.to_percent) if spill else None,
    )


def _shares(targets: Sequence[WeightedTarget]) -> tuple[config.Share, ...]:
    return tuple(config.Share(target=t.name, weight=1 if t.weight is None else t.weight) for t in targets)


def _free(targets: Sequence[WeightedTarget]) -> bool:
    """Whether no share is declared: then capacity and load decide."""
    return all(target.weight is None for target in targets)


def _select(select: Select, labels: Labels) -> config.Select:
    if select.best is not None:
        by = select.best.by
        named = tuple(config.Labelled(label=each, target=each) for each in labels.get(by, ()))
        return config.Select(by=by, targets=named, otherwise=select.otherwise or "")
    by = select.by or ""
    labelled = tuple(config.Labelled(label=each.label, target=each.target) for each in select.targets or ())
    return config.Select(by=by, targets=labelled, otherwise=select.otherwise or "")


def _objective(objective: Objective, compiled: Expression) -> config.Objective:
    aim = objective.minimize or objective.maximize
    assert aim is not None
    bounds = objective.bounds
    return config.Objective(
        aim=aim,
        targets=tuple(each.name for each in objective.targets),
        filter=compiled(objective.filter, "filter", "objective.filter") if objective.filter is not None else None,
        quality=objective.quality.classifier if objective.quality else "",
        bounds=config.Bounds(
            min_quality=bounds.min_quality,
            max_cost=picos(bounds.max_cost) if bounds.max_cost is not None else None,
            max_first_token_ms=bounds.max_first_token.milliseconds if bounds.max_first_token else None,
        )
        if bounds
        else config.Bounds(),
    )


def picos(amount: Money) -> int:
    """An amount in 10⁻¹² of the currency unit."""
    return int(amount.decimal * _PICOS)


def _limits(route: Route) -> config.ChainLimits:
    limits = route.limits or ChainLimits()
    return config.ChainLimits(
        max_calls=limits.max_calls_in_force,
        max_cost=picos(limits.max_cost) if limits.max_cost is not None else None,
        timeout_ms=limits.timeout_in_force.milliseconds,
    )


def _judge(judge: Judge) -> config.Judge:
    return config.Judge(target=judge.target, rubric=judge.rubric or "")


def _cascade(route: Route, cascade: Cascade, compiled: Expression) -> config.Cascade:
    return config.Cascade(
        steps=tuple(_step(step, f"cascade.steps[{index}]", compiled) for index, step in enumerate(cascade.steps)),
        limits=_limits(route),
        on_failure=route.on_failure or "NextStep",
    )


def _step(step: Step, path: str, compiled: Expression) -> config.Step:
    accept = _accept(step.accept, f"{path}.accept.expression", compiled) if step.accept is not None else None
    if step.weighted is None:
        return config.Step(targets=(config.Share(target=step.target or ""),), accept=accept)
    targets = step.weighted.targets
    return config.Step(targets=_shares(targets), free=_free(targets), accept=accept)


def _accept(accept: Accept, path: str, compiled: Expression) -> config.Accept:
    least = accept.min_percent_in_force
    if accept.log_probs is not None:
        return config.ByLogProbs(min_percent=least)
    if accept.agreement is not None:
        samples, equality = accept.agreement.samples or 3, accept.agreement.equality or "Normalized"
        return config.ByAgreement(min_percent=least, samples=samples, equality=equality)
    if accept.judge is not None:
        return config.ByJudge(min_percent=least, judge=_judge(accept.judge))
    assert accept.expression is not None
    return config.ByExpression(condition=compiled(accept.expression, "accept", path))


def _best_of(route: Route, best: BestOf) -> config.BestOf:
    return config.BestOf(
        targets=tuple(config.Sampled(target=each.name, samples=each.samples or 1) for each in best.targets),
        judge=_judge(best.judge) if best.judge else None,
        equality=(best.majority.equality if best.majority else None) or "Normalized",
        limits=_limits(route),
        on_failure=route.on_failure or "NextStep",
    )


def _consensus(route: Route, consensus: Consensus) -> config.Consensus:
    return config.Consensus(
        targets=tuple(config.Voter(target=each.name) for each in consensus.targets),
        escalate_to=consensus.escalate_to,
        equality=consensus.equality or "Normalized",
        judge=_judge(consensus.judge) if consensus.judge else None,
        min_percent=consensus.min_percent or 60,
        limits=_limits(route),
        on_failure=route.on_failure or "NextStep",
    )
