"""What people see of the loop: policies, routes and targets with their weights, and backends with their load."""

from collections import Counter
from collections.abc import Mapping

import msgspec

from signalbox.feedback.backends import Load
from signalbox.feedback.law import Outcome, Reason, Weight
from signalbox.feedback.plan import Backend, Mode, Plan, SetKey, TargetSet
from signalbox.signals.flows import Flow, Flows, Way

Routes = dict[str, dict[int, TargetSet]]
"""Of a policy: by route and tier."""


class _Shown(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Common options. Rates are per second, times in seconds, shares 0 to 1; None is not known."""


class TargetView(_Shown, frozen=True, kw_only=True):
    """One target of a set. ``reason`` is the law's, "" where it has said nothing yet.

    ``requests`` and ``errors`` are what came of it.
    """

    name: str
    backend: str
    base: float | None = None
    effective: float | None = None
    reason: str = ""
    age: float | None = None
    requests: float = 0.0
    errors: float | None = None


class SetView(_Shown, frozen=True, kw_only=True):
    """Targets among which requests are drawn. ``declared``: users said the shares."""

    tier: int = 0
    declared: bool = False
    targets: tuple[TargetView, ...] = ()


class RouteView(_Shown, frozen=True, kw_only=True):
    """A route; ``spill`` is the part of a failover that leaves its first tier, None for other strategies."""

    name: str
    requests: float = 0.0
    spill: float | None = None
    sets: tuple[SetView, ...] = ()


class PolicyView(_Shown, frozen=True, kw_only=True):
    """A policy. In mode Observe, weights are what would be in force."""

    name: str
    mode: Mode = "Active"
    interval: float
    stale_after: float
    requests: float = 0.0
    routes: tuple[RouteView, ...] = ()


class BackendView(_Shown, frozen=True, kw_only=True):
    """A backend.

    Only an engine can tell ``waiting``. ``delay`` is until all that is there would be done, ``first_token`` a mean of
    what routers saw; ``age`` is that of the newest sample, and ``stale_after`` when it means nothing any more.
    """

    name: str
    model: str = ""
    engine: str = "None"
    running: float = 0.0
    waiting: float | None = None
    kv_usage: float | None = None
    utilization: float | None = None
    tokens: float | None = None
    capacity: float | None = None
    delay: float | None = None
    requests: float = 0.0
    errors: float | None = None
    first_token: float | None = None
    age: float | None = None
    stale_after: float | None = None
    ready: int = 0
    total: int = 0
    problems: tuple[str, ...] = ()


class View(_Shown, frozen=True, kw_only=True):
    """Everything at one moment; ``at`` is seconds since the epoch, ``stepped`` for how long nothing was decided."""

    at: float
    stepped: float = 0.0
    policies: tuple[PolicyView, ...] = ()
    backends: tuple[BackendView, ...] = ()


def view(
    outcome: Outcome,
    plan: Plan,
    flows: Flows,
    problems: Mapping[str, Mapping[str, str]],
    now: float,
    at: float,
    stepped: float = 0.0,
) -> View:
    """``now`` is of the clock of the samples, ``at`` of the calendar; ``problems`` are by backend and
    endpoint: what was in the way of reading it.

    The plan may have sets that the loop leaves alone: they have the shares that routers go by.
    """
    patience, policies = _patience(plan), _policies(plan)
    return View(
        at=at,
        stepped=stepped,
        policies=tuple(_policy(name, policies[name], outcome, flows, now) for name in sorted(policies)),
        backends=tuple(
            _backend(
                plan.backends[name],
                outcome.loads.get(name),
                flows.backends.get(name, Flow()),
                _folded(problems.get(name, {})),
                patience.get(name),
                now,
            )
            for name in sorted(plan.backends)
        ),
    )


def _policies(plan: Plan) -> dict[str, Routes]:
    found: dict[str, Routes] = {}
    for key, each in plan.sets.items():
        found.setdefault(key.policy, {}).setdefault(key.route, {})[key.tier] = each
    return found


def _policy(name: str, sets: Routes, outcome: Outcome, flows: Flows, now: float) -> PolicyView:
    ways = flows.ways.get(name, {})
    routes = [_route(SetKey(name, route), tiers, outcome, ways.get(route, {}), now) for route, tiers in sets.items()]
    first = next(each for tiers in sets.values() for each in tiers.values())
    return PolicyView(
        name=name,
        mode=first.mode,
        interval=first.interval,
        stale_after=first.stale_after,
        requests=sum(route.requests for route in routes),
        routes=tuple(routes),
    )


def _route(
    key: SetKey, tiers: Mapping[int, TargetSet], outcome: Outcome, ways: Mapping[str, Way], now: float
) -> RouteView:
    sets = []
    for tier, each in sorted(tiers.items()):
        weights = {w.target: w for w in outcome.weights.get(SetKey(key.policy, key.route, tier), ())}
        if each.mode == "Disabled":
            weights = _alone(each)
        targets = tuple(
            _target(share.target, share.backend, weights.get(share.target), ways.get(share.target, Way()), now)
            for share in each.shares
        )
        sets.append(SetView(tier=tier, declared=each.declared, targets=targets))
    return RouteView(
        name=key.route,
        requests=sum(way.requests for way in ways.values()),
        spill=outcome.spills.get(key),
        sets=tuple(sets),
    )


def _alone(each: TargetSet) -> dict[str, Weight]:
    """What holds where the loop has no say: what was declared, else the same for all."""
    reason: Reason = "Declared" if each.declared else "Base"
    total = sum(share.weight or 0 for share in each.shares)
    shares = {s.target: (s.weight or 0) / total if total else 1.0 / len(each.shares) for s in each.shares}
    return {name: Weight(target=name, base=share, effective=share, reason=reason) for name, share in shares.items()}


def _target(name: str, backend: str, weight: Weight | None, way: Way, now: float) -> TargetView:
    return TargetView(
        name=name,
        backend=backend,
        base=weight.base if weight is not None else None,
        effective=weight.effective if weight is not None else None,
        reason=weight.reason if weight is not None else "",
        age=None if weight is None or weight.observed_at is None else max(0.0, now - weight.observed_at),
        requests=way.requests,
        errors=way.errors,
    )


def _backend(
    backend: Backend, load: Load | None, flow: Flow, problems: tuple[str, ...], patience: float | None, now: float
) -> BackendView:
    known = len(backend.endpoints)
    usable = 0 if load is None else load.usable
    seen = BackendView(
        name=backend.name,
        model=backend.model,
        engine=backend.engine,
        requests=flow.requests,
        errors=flow.errors,
        first_token=flow.first_token,
        stale_after=patience,
        ready=usable if flow.usable is None else min(flow.usable, usable),
        total=max(known, flow.known),
        problems=(*problems, *flow.causes),
    )
    if load is None:
        return seen
    return msgspec.structs.replace(
        seen,
        running=load.running,
        waiting=load.waiting if backend.measured else None,
        kv_usage=load.kv_usage,
        utilization=load.utilization,
        tokens=flow.tokens if load.work is None else load.work,
        capacity=load.capacity,
        delay=load.delay,
        age=None if load.observed_at is None else max(0.0, now - load.observed_at),
    )


def _folded(problems: Mapping[str, str]) -> tuple[str, ...]:
    """Each once: of many endpoints, most have the same."""
    counts = Counter(problems.values())
    return tuple(why if count == 1 else f"{why} ({count} endpoints)" for why, count in sorted(counts.items()))


def _patience(plan: Plan) -> dict[str, float]:
    """By backend: for how long the most patient set believes a sample."""
    found: dict[str, float] = {}
    for each in plan.sets.values():
        for share in each.shares:
            found[share.backend] = max(found.get(share.backend, 0.0), each.stale_after)
    return found
