"""The plan of the feedback loop: which sets of targets have weights, and which endpoints are asked for their load."""

from collections.abc import Iterator

import msgspec

from signalbox import feedback
from signalbox.feedback.plan import Backend, Scrape, SetKey, Share, Spill, TargetSet
from signalbox.plan.compile import Plan
from signalbox.routing import config


class Followed(msgspec.Struct, frozen=True, kw_only=True):
    """What the loop works on, and whom it asks."""

    plan: feedback.plan.Plan
    scrapes: tuple[Scrape, ...]


def feedback_plan(planned: Plan) -> Followed:
    """Of everything that serves. Backends that no policy uses are not looked at.

    Sets of a policy with ``Disabled`` are there too: the loop leaves them out, but conditions ask for loads.
    """
    policies = [policy for router in planned.routers for policy in router.config.policies]
    sets: dict[SetKey, TargetSet] = {}
    spills: dict[SetKey, Spill] = {}
    backends: dict[str, Backend] = {}
    intervals: dict[str, float] = {}
    for policy in policies:
        sets.update(_sets(policy))
        spills |= _spills(policy)
        for target in policy.targets:
            known = planned.backends.get(target.backend)
            if known is None or known.signals.backend is None:
                backends[target.backend] = Backend(name=target.backend)  # it isn't there: nothing is usable
                continue
            backends[target.backend] = known.signals.backend
            interval = policy.feedback.interval_ms / 1000
            intervals[target.backend] = min(interval, intervals.get(target.backend, interval))
    scrapes = tuple(
        msgspec.structs.replace(scrape, interval=interval)
        for name, interval in sorted(intervals.items())
        for scrape in planned.backends[name].signals.scrapes
    )
    plan = feedback.plan.Plan(backends=dict(sorted(backends.items())), sets=sets, spills=spills)
    return Followed(plan=plan, scrapes=scrapes)


def _sets(policy: config.Policy) -> Iterator[tuple[SetKey, TargetSet]]:
    backend_of = {target.name: target.backend for target in policy.targets}
    for route in policy.routes:
        for index, tier in enumerate(config.sets_of(route.strategy)):
            shares = tuple(
                Share(share.target, backend_of[share.target], None if tier.free else share.weight)
                for share in tier.targets
            )
            yield (
                SetKey(policy.name, route.name, index),
                TargetSet(
                    shares=shares,
                    mode=policy.feedback.mode,
                    interval=policy.feedback.interval_ms / 1000,
                    stale_after=policy.feedback.stale_after_ms / 1000,
                ),
            )


def _spills(policy: config.Policy) -> dict[SetKey, Spill]:
    return {
        SetKey(policy.name, route.name): Spill(spill.from_percent / 100, spill.to_percent / 100)
        for route in policy.routes
        if isinstance(route.strategy, config.Failover) and (spill := route.strategy.spill) is not None
    }
