"""The strategy of a route, compiled: defaults filled in, nothing checked."""

from collections.abc import Sequence

from signalbox.api.chains import Accept, BestOf, Cascade, ChainLimits, Consensus, Judge, Step
from signalbox.api.choosing import Objective, Select
from signalbox.api.routes import Route
from signalbox.api.types import Money
from signalbox.api.weighted import Failover, Weighted, WeightedTarget
from signalbox.routing import config

_PICOS = 10**12


def strategy_of(route: Route) -> config.Strategy:
    """What the router does where the route's condition holds."""
    if route.weighted is not None:
        return _weighted(route.weighted)
    if route.failover is not None:
        return _failover(route.failover)
    if route.select is not None:
        return _select(route.select)
    if route.objective is not None:
        return _objective(route.objective)
    if route.cascade is not None:
        return _cascade(route, route.cascade)
    if route.best_of is not None:
        return _best_of(route, route.best_of)
    assert route.consensus is not None
    return _consensus(route, route.consensus)


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


def _select(select: Select) -> config.Select:
    by = select.by or (select.best.by if select.best else "")
    labelled = tuple(config.Labelled(label=each.label, target=each.target) for each in select.targets or ())
    return config.Select(by=by, targets=labelled, otherwise=select.otherwise or "")


def _objective(objective: Objective) -> config.Objective:
    aim = objective.minimize or objective.maximize
    assert aim is not None
    bounds = objective.bounds
    return config.Objective(
        aim=aim,
        targets=tuple(each.name for each in objective.targets),
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


def _cascade(route: Route, cascade: Cascade) -> config.Cascade:
    return config.Cascade(
        steps=tuple(map(_step, cascade.steps)), limits=_limits(route), on_failure=route.on_failure or "NextStep"
    )


def _step(step: Step) -> config.Step:
    accept = _accept(step.accept) if step.accept is not None else None
    if step.weighted is None:
        return config.Step(targets=(config.Share(target=step.target or ""),), accept=accept)
    targets = step.weighted.targets
    return config.Step(targets=_shares(targets), free=_free(targets), accept=accept)


def _accept(accept: Accept) -> config.Accept | None:
    least = accept.min_percent_in_force
    if accept.log_probs is not None:
        return config.ByLogProbs(min_percent=least)
    if accept.agreement is not None:
        samples, equality = accept.agreement.samples or 3, accept.agreement.equality or "Normalized"
        return config.ByAgreement(min_percent=least, samples=samples, equality=equality)
    if accept.judge is not None:
        return config.ByJudge(min_percent=least, judge=_judge(accept.judge))
    return None


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
