"""Which policies share a router: one deployment a group, one policy a model; the elder wins."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime

from signalbox.plan.outlines import PolicyOutline
from signalbox.plan.problems import Problem
from signalbox.plan.routes import KIND, Report

_NEVER = datetime.max.replace(tzinfo=UTC)


def seniority(policy: PolicyOutline) -> tuple[datetime, str]:
    """Sort key, the eldest first. An object that the API server has not dated yet is the youngest; names break ties."""
    return (policy.created or _NEVER, policy.name)


def members(
    policies: Iterable[PolicyOutline], report: Report, restored: Collection[str] = ()
) -> dict[str, list[PolicyOutline]]:
    """The policies of every router, the eldest first, without those that conflict with an elder.

    ``restored`` are the names of those in a last valid form. The deployment in it is not held against them: the
    eldest's holds for all, and an edit of that one must not end their traffic.
    """
    routers: dict[str, list[PolicyOutline]] = {}
    for policy in sorted(policies, key=seniority):
        elders = routers.setdefault(policy.router, [])
        problems = _claims(policy, elders)
        if policy.name not in restored:
            problems = [*_deployment(policy, elders), *problems]
        for problem in problems:
            report(problem)
        if not problems:
            elders.append(policy)
    return routers


def _deployment(policy: PolicyOutline, elders: list[PolicyOutline]) -> list[Problem]:
    """A problem for each field in which the deployment differs from that of the group's eldest."""
    if not elders:
        return []
    theirs = elders[0].deployment.model_dump(by_alias=True)
    problems = []
    for field, value in policy.deployment.model_dump(by_alias=True).items():
        if value != theirs[field]:
            eldest = f"in RoutingPolicy {elders[0].name}, the eldest of the group, whose deployment holds for all"
            if isinstance(value, dict) or isinstance(theirs[field], dict):
                message, fix = f"{field} is not as {eldest}", "write what is written there, or leave the group"
            else:
                message = f"{field} is {_shown(value)}, but {_shown(theirs[field])} {eldest}"
                fix = f"write {field}: {theirs[field]}, or leave the group"
                if theirs[field] is None:
                    fix = f"take {field} away, or leave the group"
            path = f"spec.router.deployment.{field}"
            problems.append(_problem(policy, "GroupConflict", path, message, fix))
    return problems


def _shown(value: object) -> str:
    return "not set" if value is None else str(value)


def _claims(policy: PolicyOutline, elders: list[PolicyOutline]) -> list[Problem]:
    """A problem for each model that an elder of the router serves."""
    owners = {model: elder.name for elder in elders for model in elder.models}
    return [
        _problem(
            policy,
            "ModelClaimed",
            f"spec.models[{index}]",
            f'the model "{model}" belongs to RoutingPolicy {owners[model]} on the same router',
            "remove it from one of the two, or put the policies on different routers",
        )
        for index, model in enumerate(policy.models)
        if model in owners
    ]


def _problem(policy: PolicyOutline, reason: str, path: str, message: str, fix: str) -> Problem:
    return Problem(kind=KIND, name=policy.name, reason=reason, path=path, message=message, fix=fix)
