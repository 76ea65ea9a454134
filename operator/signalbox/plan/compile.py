"""The plan: policies, backends and what was observed in; router configurations and problems out. Pure."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import msgspec

from signalbox.api import ModelBackend, RoutingPolicy
from signalbox.plan.backends import KIND as BACKEND
from signalbox.plan.backends import PlannedBackend, absent, compile_backend
from signalbox.plan.children.names import FIRST_REPLICAS
from signalbox.plan.defects import defect
from signalbox.plan.groups import members
from signalbox.plan.observed import Observed
from signalbox.plan.podtemplate import check_template
from signalbox.plan.policies import PlannedPolicy, compile_policy
from signalbox.plan.problems import Problem, order
from signalbox.plan.routers import PlannedRouter
from signalbox.plan.routes import KIND as POLICY
from signalbox.plan.routes import CompiledRoutes, Report, compiled_routes
from signalbox.plan.sizes import fitting
from signalbox.routing.config import FORMAT_VERSION, RouterConfig


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Routers by name, and problems in a fixed order: equal input in any order gives an equal plan."""

    routers: tuple[PlannedRouter, ...]
    problems: tuple[Problem, ...]


def plan(
    policies: Iterable[RoutingPolicy],
    backends: Iterable[ModelBackend],
    observed: Observed,
    restored: Collection[str] = (),
    *,
    routes_of: Callable[[RoutingPolicy], CompiledRoutes] = compiled_routes,
) -> Plan:
    """Plan the routers of one namespace.

    Objects are unique by name. An invalid policy is left out and does not spoil its neighbours; the caller may keep
    its last good form by passing that instead, and its name in ``restored``. ``routes_of`` may remember what it gave
    for the same policy.
    """
    problems: list[Problem] = []
    known = {b.metadata.name: _backend(b, observed, problems.append) for b in backends}
    invalid = {p.name for p in problems if p.invalidates}
    observed = msgspec.structs.replace(observed, invalid_backends=observed.invalid_backends | invalid)
    known = {name: backend for name, backend in known.items() if name not in invalid}
    compiled: dict[str, PlannedPolicy] = {}
    valid: list[RoutingPolicy] = []
    for policy in policies:
        found: list[Problem] = []
        try:
            compiled[policy.metadata.name] = compile_policy(policy, known, observed, found.append, routes_of)
            check_template(policy, found.append)
        except Exception as error:
            found.append(defect(POLICY, policy.metadata.name, error))
        if not any(problem.invalidates for problem in found):
            valid.append(policy)
        problems += found
    routers = []
    for name, group in sorted(members(valid, problems.append, restored).items()):
        fit = fitting([member.metadata.name for member in group], compiled, known, problems.append)
        if serving := [member for member in group if member.metadata.name in fit]:
            routers.append(_router(name, serving, compiled, known, observed.replicas.get(name)))
    return Plan(routers=tuple(routers), problems=tuple(sorted(problems, key=order)))


def _backend(backend: ModelBackend, observed: Observed, report: Report) -> PlannedBackend:
    try:
        return compile_backend(backend, observed, report)
    except Exception as error:
        report(defect(BACKEND, backend.metadata.name, error))
        return absent(backend.metadata.name)


def _router(
    name: str,
    members: Sequence[RoutingPolicy],
    compiled: Mapping[str, PlannedPolicy],
    known: Mapping[str, PlannedBackend],
    replicas: int | None,
) -> PlannedRouter:
    policies = [compiled[member.metadata.name] for member in members]
    names = sorted({target.backend for policy in policies for target in policy.config.targets})
    backends = [known.get(backend) or absent(backend) for backend in names]
    named = [*(policy.entries for policy in policies), *(backend.entries for backend in backends)]
    entries = {entry: source for part in named for entry, source in part.items()}
    config = RouterConfig(
        format_version=FORMAT_VERSION,
        name=name,
        policies=tuple(sorted((policy.config for policy in policies), key=lambda policy: policy.name)),
        backends=tuple(backend.config for backend in backends),
        limit_shares=limit_shares(members[0], replicas) if any(each.limited for each in backends) else 1,
    )
    sidecar = members[0].spec.sidecar
    return PlannedRouter(
        config=config,
        entries=dict(sorted(entries.items())),
        members=tuple(member.metadata.name for member in members),
        deployment=members[0].spec.deployment_in_force,
        sidecar=sidecar.port if sidecar else None,
    )


def limit_shares(policy: RoutingPolicy, replicas: int | None) -> int:
    """Among how many workers limits are divided; ``replicas`` are those in force, None before there are any."""
    if policy.spec.sidecar is not None:
        return max(replicas or 1, 1)
    deployment = policy.spec.deployment_in_force
    first = FIRST_REPLICAS if deployment.replicas is None else deployment.replicas
    return max(first if replicas is None else replicas, 1) * deployment.workers
