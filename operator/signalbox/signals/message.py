"""What the law says, as routers hear it."""

from collections.abc import Iterable, Mapping

import msgspec

from signalbox.control.messages import Load as Told
from signalbox.control.messages import RouteWeights, SetWeights, Weights
from signalbox.feedback.backends import Load
from signalbox.feedback.law import Outcome, Weight
from signalbox.feedback.plan import Plan, SetKey

# Digits of a weight. What is lost is far less than a draw among thousands of requests can tell.
DIGITS = 6


class Steering(msgspec.Struct, frozen=True):
    """What is in force after a step: routes by policy, the backends of each policy, and loads with the time of their
    sample. ``at`` is when it was computed, in seconds. Of policies in ``awaited`` it is not known yet what routers go
    by: who has one of them must not be told anything, or it would go by shares until more is known."""

    at: float = 0.0
    awaited: frozenset[str] = frozenset()
    policies: dict[str, dict[str, RouteWeights]] = {}
    backends: dict[str, tuple[str, ...]] = {}
    loads: dict[str, Load] = {}

    def message(self, policies: Iterable[str], now: float) -> Weights:
        """For a router that has these policies; the ages of samples are those at ``now``."""
        policies = tuple(policies)
        steered = {name: self.policies[name] for name in policies if name in self.policies}
        # Conditions ask for loads also where weights only are watched.
        named = {backend for name in policies for backend in self.backends.get(name, ())}
        loads = {name: _told(self.loads[name], now) for name in sorted(named) if name in self.loads}
        return Weights(policies=steered, loads={name: load for name, load in loads.items() if load is not None})

    def everything(self, now: float) -> Weights:
        """For a router that has all policies."""
        return self.message(self.backends, now)


def steering(plan: Plan, outcome: Outcome, now: float, awaited: frozenset[str] = frozenset()) -> Steering:
    """Only policies that are ``Active`` are in it, and only routes whose every set has weights."""
    routes: dict[tuple[str, str], list[SetKey]] = {}
    backends: dict[str, set[str]] = {}
    for key, each in plan.sets.items():
        backends.setdefault(key.policy, set()).update(share.backend for share in each.shares)
        if each.mode == "Active":
            routes.setdefault((key.policy, key.route), []).append(key)
    policies: dict[str, dict[str, RouteWeights]] = {}
    for (policy, route), keys in routes.items():
        keys.sort()
        if all(key in outcome.weights for key in keys):
            policies.setdefault(policy, {})[route] = RouteWeights(
                sets=tuple(_set(outcome.weights[key], free=not plan.sets[key].declared) for key in keys),
                spill=round(outcome.spills.get(SetKey(policy, route), 0.0), DIGITS),
            )
    return Steering(
        at=now,
        awaited=awaited,
        policies=policies,
        backends={policy: tuple(sorted(names)) for policy, names in backends.items()},
        loads=outcome.loads,
    )


def in_force(weights: Mapping[str, Mapping[str, RouteWeights]], plan: Plan) -> dict[SetKey, SetWeights]:
    """What a router says that it goes by, as far as the plan has such sets and targets, and it makes sense."""
    found: dict[SetKey, SetWeights] = {}
    for policy, routes in weights.items():
        for route, said in routes.items():
            for tier, each in enumerate(said.sets):
                key = SetKey(policy, route, tier)
                if (planned := plan.sets.get(key)) is not None:
                    targets = {share.target for share in planned.shares}
                    effective, base = _sound(each.effective, targets), _sound(each.base, targets)
                    if sum(effective.values()) > 0.0:
                        found[key] = SetWeights(effective=effective, base=base)
    return found


def spills_in_force(weights: Mapping[str, Mapping[str, RouteWeights]], plan: Plan) -> dict[SetKey, float]:
    """The part of each failover's requests that a router says leaves its first tier."""
    said = {SetKey(policy, route): each.spill for policy, routes in weights.items() for route, each in routes.items()}
    return {key: part for key, part in said.items() if key in plan.spills and 0.0 <= part <= 1.0}


def _sound(weights: Mapping[str, float], targets: Iterable[str]) -> dict[str, float]:
    """A part of each of the targets; anybody may have written them."""
    return {name: weights[name] for name in targets if 0.0 <= weights.get(name, -1.0) <= 1.0}


def _set(weights: Iterable[Weight], *, free: bool) -> SetWeights:
    """A free set names also who has no base for want of an endpoint: once nobody steers routers any more, they give it
    a part. A share that was declared as nothing stays nothing."""
    return SetWeights(
        effective={each.target: round(each.effective, DIGITS) for each in weights},
        base={each.target: round(each.base, DIGITS) for each in weights if free or each.base > 0.0},
    )


def _told(load: Load, now: float) -> Told | None:
    if load.observed_at is None:
        return None
    return Told(
        age_ms=max(0, round(1000.0 * (now - load.observed_at))),
        in_system=load.in_system,
        waiting=load.waiting,
        arrivals=load.arrivals,
        rate=load.capacity / load.length if load.capacity else None,
        utilization=load.utilization,
        kv_cache_usage=load.kv_usage,
    )
