"""Which weights are in force: the operator's while their samples are good, and what holds without load after that."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from signalbox.control.messages import RouteWeights, SetWeights, Weights
from signalbox.routing.config import Policy

_NONE: Mapping[str, RouteWeights] = {}


class InForce(NamedTuple):
    """Of one policy: by route, and whether load has a say. ``age`` is that of the newest sample in seconds."""

    routes: Mapping[str, RouteWeights] = _NONE
    by_load: bool = False
    age: float | None = None


NOTHING = InForce()
"""Of a policy that nobody steers."""


def in_force(policy: Policy, weights: Weights, heard_ago: float) -> InForce:
    """What holds for a policy, so many seconds after the weights were heard.

    Who has sent them may have gone since: the samples only grow older. Where no sample came with them, they are as old
    as the message.
    """
    routes = weights.policies.get(policy.name)
    if routes is None or policy.feedback.mode != "Active":
        return NOTHING
    ages = [weights.loads[t.backend].age_ms for t in policy.targets if t.backend in weights.loads]
    age = min(ages, default=0) / 1000 + heard_ago
    if age <= policy.feedback.stale_after_ms / 1000:
        return InForce(routes, True, age)
    return InForce({name: _at_rest(route) for name, route in routes.items()}, False, age)


def _at_rest(route: RouteWeights) -> RouteWeights:
    return RouteWeights(sets=tuple(SetWeights(effective=_base(each.base), base=each.base) for each in route.sets))


def _base(base: dict[str, float]) -> dict[str, float]:
    """Who was nothing then, for want of an endpoint, may be well by now, and nobody would say so: it takes the mean."""
    some = [weight for weight in base.values() if weight > 0.0]
    mean = sum(some) / len(some) if some else 0.0
    raw = {name: weight or mean for name, weight in base.items()}
    total = sum(raw.values())
    return {name: weight / total for name, weight in raw.items()} if total > 0.0 else {}


def stale_after(policies: Mapping[str, Policy]) -> dict[str, float]:
    """For how many seconds a sample of a backend counts: as the most patient of its policies says."""
    found: dict[str, float] = {}
    for policy in policies.values():
        seconds = policy.feedback.stale_after_ms / 1000
        for target in policy.targets:
            found[target.backend] = max(found.get(target.backend, 0.0), seconds)
    return found


def fitting(policies: Mapping[str, Mapping[str, RouteWeights]], most: int) -> dict[str, dict[str, RouteWeights]]:
    """As many policies as take at most so many bytes in a message."""
    found: dict[str, dict[str, RouteWeights]] = {}
    for name, routes in policies.items():
        most -= len(msgspec.json.encode({name: routes}))
        if most >= 0:
            found[name] = dict(routes)
    return found
