"""How many endpoints a backend's requests want, for autoscalers.

The loop moves requests away from who is overloaded, and so hides from CPU and queues that more is wanted there. What
is wanted is what would come if nothing had been moved: each route's requests by the shares that were declared, else by
capacity, and what comes by other ways. Where more than that comes, for it was moved here, that counts: nobody may
shrink under the load that it bears for another one.
"""

from collections.abc import Mapping

import msgspec

from signalbox.feedback import endpoints
from signalbox.feedback.backends import BackendState, Load
from signalbox.feedback.endpoints import Endpoint
from signalbox.feedback.plan import Backend, Plan, SetKey, TargetSet

DRAIN_SECONDS = 60.0
"""Within which those who wait should be served: about what a new engine takes to be there."""

Answered = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Requests a second that targets had to answer, by policy, route and target."""


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """``work`` is wanted, ``capacity`` is what one endpoint does, in tokens a second; None where nothing tells."""

    work: float
    capacity: float | None = None

    @property
    def replicas(self) -> float | None:
        """Endpoints that would be just full."""
        return self.work / self.capacity if self.capacity else None


def capacities(
    plan: Plan, states: Mapping[str, BackendState], before: Mapping[str, float] | None = None
) -> dict[str, float]:
    """What one endpoint of each backend does, in tokens a second, where that is known.

    ``before`` is what this said last: a backend that has no endpoint any more has no other memory of it. Where engines
    say nothing, only what was declared counts, for the most that was seen is no bound.
    """
    learned: dict[str, float] = {}
    models: dict[str, list[Endpoint]] = {}
    for name, backend in plan.backends.items():
        if not backend.measured:
            continue
        known = list(states[name].endpoints.values()) if name in states else []
        models.setdefault(backend.model, []).extend(known)
        if each := endpoints.typical(known) or (before or {}).get(name):
            learned[name] = each
    found = {}
    for name, backend in plan.backends.items():
        alike = endpoints.typical(models.get(backend.model, [])) if backend.measured else None
        if each := learned.get(name) or backend.tokens_per_second or alike:
            found[name] = each
    return found


def demand(
    plan: Plan,
    loads: Mapping[str, Load],
    capacity: Mapping[str, float],
    answered: Answered,
    shed: Mapping[str, float],
) -> dict[str, Demand]:
    """By backend. ``shed`` are requests a second that each turned away for want of room."""
    wanted = dict.fromkeys(plan.backends, 0.0)
    came = dict.fromkeys(plan.backends, 0.0)
    for (policy, route), targets in _routes(plan).items():
        requests = answered.get(policy, {}).get(route, {})
        for target, backend in targets.items():
            if backend in came:
                came[backend] += requests.get(target, 0.0)
        first = plan.sets.get(SetKey(policy, route))  # later tiers are there for what this one cannot take
        if first is None:
            continue
        total = sum(requests.get(target, 0.0) for target in targets)
        for share, part in zip(first.shares, parts(first, plan.backends, capacity), strict=True):
            if share.backend in wanted:
                wanted[share.backend] += total * part
    found = {}
    for name in plan.backends:
        load = loads.get(name)
        if load is None:
            continue
        comes = max(came[name], load.arrivals or 0.0)
        served = comes + max(0.0, wanted[name] - came[name])
        rate = served + shed.get(name, 0.0) + load.waiting / DRAIN_SECONDS
        found[name] = Demand(work=rate * load.length, capacity=capacity.get(name))
    return found


def parts(each: TargetSet, backends: Mapping[str, Backend], capacity: Mapping[str, float]) -> list[float]:
    """Of a set's requests, by target, without any load: as declared, else by capacity. A backend without an endpoint
    counts as if it had one, for else it would never be wanted again."""
    if each.declared:
        sizes = [float(share.weight or 0) for share in each.shares]
    else:
        known = [capacity[share.backend] for share in each.shares if share.backend in capacity]
        middle = sum(known) / len(known) if known else 1.0
        sizes = [
            capacity.get(share.backend, middle) * max(1, len(backends[share.backend].endpoints))
            if share.backend in backends
            else 0.0
            for share in each.shares
        ]
    total = sum(sizes)
    return [size / total if total else 0.0 for size in sizes]


def _routes(plan: Plan) -> dict[tuple[str, str], dict[str, str]]:
    """By policy and route: the backends of its targets, of all tiers."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for key, each in plan.sets.items():
        found.setdefault((key.policy, key.route), {}).update({share.target: share.backend for share in each.shares})
    return found
