"""Where a policy names its targets, and what for."""

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from signalbox.api import RoutingPolicy
from signalbox.api.chains import Judge
from signalbox.api.routes import Route
from signalbox.api.weighted import WeightedTarget

Role = Literal["answers", "judges", "picks"]


class Use(msgspec.Struct, frozen=True):
    """A field that names a target: one that answers clients, judges answers, or picks labels."""

    path: str
    target: str
    role: Role


def uses_of(policy: RoutingPolicy) -> Iterator[Use]:
    """All of a policy, in the order of its fields."""
    for index, classifier in enumerate(policy.spec.classifiers or ()):
        if classifier.llm is not None:
            yield Use(f"spec.classifiers[{index}].llm.target", classifier.llm.target, "picks")
    for index, route in enumerate(policy.spec.routes):
        yield from uses(route, f"spec.routes[{index}]")


def uses(route: Route, path: str) -> Iterator[Use]:
    """Those of one route."""
    for where, shares in sets(route, path):
        yield from (Use(f"{where}[{index}].name", share.name, "answers") for index, share in enumerate(shares))
    if (select := route.select) is not None:
        for index, labelled in enumerate(select.targets or ()):
            yield Use(f"{path}.select.targets[{index}].target", labelled.target, "answers")
        if select.otherwise is not None:
            yield Use(f"{path}.select.otherwise", select.otherwise, "answers")
    for index, candidate in enumerate(route.objective.targets if route.objective is not None else ()):
        yield Use(f"{path}.objective.targets[{index}].name", candidate.name, "answers")
    for index, step in enumerate(route.cascade.steps if route.cascade is not None else ()):
        if step.target is not None:
            yield Use(f"{path}.cascade.steps[{index}].target", step.target, "answers")
        if step.accept is not None:
            yield from _judge(step.accept.judge, f"{path}.cascade.steps[{index}].accept.judge")
    if (best := route.best_of) is not None:
        for index, sampled in enumerate(best.targets):
            yield Use(f"{path}.bestOf.targets[{index}].name", sampled.name, "answers")
        yield from _judge(best.judge, f"{path}.bestOf.judge")
    if (consensus := route.consensus) is not None:
        for index, member in enumerate(consensus.targets):
            yield Use(f"{path}.consensus.targets[{index}].name", member.name, "answers")
        yield from _judge(consensus.judge, f"{path}.consensus.judge")
        yield Use(f"{path}.consensus.escalateTo", consensus.escalate_to, "answers")


def _judge(judge: Judge | None, path: str) -> Iterator[Use]:
    if judge is not None:
        yield Use(f"{path}.target", judge.target, "judges")


def sets(route: Route, path: str) -> Iterator[tuple[str, Sequence[WeightedTarget]]]:
    """Every set of targets that shares are drawn in, and its path."""
    if route.weighted is not None:
        yield f"{path}.weighted.targets", route.weighted.targets
    for index, tier in enumerate(route.failover.tiers if route.failover is not None else ()):
        yield f"{path}.failover.tiers[{index}].targets", tier.targets
    for index, step in enumerate(route.cascade.steps if route.cascade is not None else ()):
        if step.weighted is not None:
            yield f"{path}.cascade.steps[{index}].weighted.targets", step.weighted.targets
