"""The plan: policies, backends and what was observed in; router configurations and problems out. Pure."""

from collections.abc import Collection, Generator, Iterable, Mapping, Sequence

import msgspec

from signalbox.api import ModelBackend, RoutingPolicy
from signalbox.plan.backends import KIND as BACKEND
from signalbox.plan.backends import PlannedBackend, Standing, absent, compile_backend
from signalbox.plan.children.names import FIRST_REPLICAS
from signalbox.plan.children.podtemplate import check_template
from signalbox.plan.defects import defect
from signalbox.plan.groups import members
from signalbox.plan.memory import Memory
from signalbox.plan.observed import Observed
from signalbox.plan.outlines import (
    BackendSource,
    PolicyOutline,
    PolicySource,
    source_of_backend,
    source_of_policy,
)
from signalbox.plan.policies import PlannedPolicy, compile_policy
from signalbox.plan.problems import Problem, order
from signalbox.plan.routers import PlannedRouter
from signalbox.plan.routes import KIND as POLICY
from signalbox.plan.routes import CompiledRoutes, compiled_routes
from signalbox.plan.sizes import fitting
from signalbox.routing.config import FORMAT_VERSION, RouterConfig


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Routers by name, and problems in a fixed order: equal input in any order gives an equal plan. ``backends`` are
    the valid ones by name, also those that no router uses."""

    routers: tuple[PlannedRouter, ...]
    problems: tuple[Problem, ...]
    backends: Mapping[str, PlannedBackend] = {}


class Parts:
    """What plans of a namespace are made of. Each was compiled from one resource and what that one sees of the world,
    and serves until either differs."""

    def __init__(self) -> None:
        self.backends: Memory[tuple[PlannedBackend, tuple[Problem, ...]]] = Memory()
        self.policies: Memory[tuple[PlannedPolicy | None, tuple[Problem, ...]]] = Memory()
        self.routes: Memory[CompiledRoutes] = Memory()
        self.routers: Memory[PlannedRouter] = Memory()


def plan(
    policies: Iterable[RoutingPolicy],
    backends: Iterable[ModelBackend],
    observed: Observed,
    restored: Collection[str] = (),
) -> Plan:
    """Plan the routers of one namespace.

    Objects are unique by name. An invalid policy is left out and does not spoil its neighbours; the caller may keep
    its last good form by passing that instead, and its name in ``restored``.
    """
    sources = [source_of_policy(one) for one in policies], [source_of_backend(one) for one in backends]
    steps = planning(*sources, observed, restored, Parts())
    while True:
        try:
            next(steps)
        except StopIteration as end:
            planned: Plan = end.value
            return planned


def planning(
    policies: Sequence[PolicySource],
    backends: Sequence[BackendSource],
    observed: Observed,
    restored: Collection[str],
    parts: Parts,
) -> Generator[None, None, Plan]:
    """The same in steps, one for each resource that has to be compiled: there may be very many."""
    problems: list[Problem] = []
    known: dict[str, PlannedBackend] = {}
    for backend in backends:
        outline = backend.outline
        made_from = backend.version, observed.for_backend(outline.name, outline.references)
        compiled = parts.backends.get(outline.name, made_from)
        if compiled is None:
            compiled = parts.backends.put(outline.name, made_from, _backend(backend, made_from[1]))
            yield
        known[outline.name] = compiled[0]
        problems += compiled[1]
    invalid = {p.name for p in problems if p.invalidates}
    observed = msgspec.structs.replace(observed, invalid_backends=observed.invalid_backends | invalid)
    known = {name: backend for name, backend in known.items() if name not in invalid}
    standing = {name: backend.standing for name, backend in known.items()}
    planned: dict[str, PlannedPolicy] = {}
    valid: list[PolicyOutline] = []
    for policy in policies:
        name, targets = policy.outline.name, policy.outline.targets
        # Where one is missing, the others are named.
        mine = {target: standing[target] for target in targets} if standing.keys() >= set(targets) else standing
        sees = observed.for_policy(
            targets, policy.outline.references, (lesson.key for lesson in policy.outline.lessons)
        )
        found = parts.policies.get(name, (policy.version, sees, mine))
        if found is None:
            found = parts.policies.put(name, (policy.version, sees, mine), _policy(policy, sees, mine, parts))
            yield
        problems += found[1]
        if found[0] is not None:
            planned[name] = found[0]
        if not any(problem.invalidates for problem in found[1]):
            valid.append(policy.outline)
    routers = []
    for name, group in sorted(members(valid, problems.append, restored).items()):
        fit = fitting([member.name for member in group], planned, known, problems.append)
        if serving := [member for member in group if member.name in fit]:
            routers.append(_router(name, serving, fit, known, observed.replicas.get(name), parts))
    _forget(parts, known.keys() | invalid, [p.outline.name for p in policies], [r.config.name for r in routers])
    return Plan(routers=tuple(routers), problems=tuple(sorted(problems, key=order)), backends=known)


def _backend(source: BackendSource, observed: Observed) -> tuple[PlannedBackend, tuple[Problem, ...]]:
    problems: list[Problem] = []
    try:
        compiled = compile_backend(source.read(), observed, problems.append)
    except Exception as error:
        problems.append(defect(BACKEND, source.outline.name, error))
        compiled = absent(source.outline.name)
    return compiled, tuple(problems)


def _policy(
    source: PolicySource, observed: Observed, standing: Mapping[str, Standing], parts: Parts
) -> tuple[PlannedPolicy | None, tuple[Problem, ...]]:
    problems: list[Problem] = []
    name, version = source.outline.name, source.version
    try:
        policy = source.read()
        routes = parts.routes.get(name, version) or parts.routes.put(name, version, compiled_routes(policy))
        compiled = compile_policy(policy, standing, observed, routes, problems.append)
        check_template(policy, problems.append)
    except Exception as error:
        problems.append(defect(POLICY, name, error))
        return None, tuple(problems)
    return compiled, tuple(problems)


def _router(
    name: str,
    members: Sequence[PolicyOutline],
    planned: Mapping[str, PlannedPolicy],
    known: Mapping[str, PlannedBackend],
    replicas: int | None,
    parts: Parts,
) -> PlannedRouter:
    policies = [planned[member.name] for member in members]
    names = sorted({target.backend for policy in policies for target in policy.config.targets})
    backends = [known.get(backend) or absent(backend) for backend in names]
    made_from = members, policies, backends, replicas
    return parts.routers.get(name, made_from) or parts.routers.put(
        name, made_from, _new_router(name, members, policies, backends, replicas)
    )


def _new_router(
    name: str,
    members: Sequence[PolicyOutline],
    policies: Sequence[PlannedPolicy],
    backends: Sequence[PlannedBackend],
    replicas: int | None,
) -> PlannedRouter:
    named = [*(policy.entries for policy in policies), *(backend.entries for backend in backends)]
    entries = {entry: source for part in named for entry, source in part.items()}
    config = RouterConfig(
        format_version=FORMAT_VERSION,
        name=name,
        policies=tuple(sorted((policy.config for policy in policies), key=lambda policy: policy.name)),
        backends=tuple(backend.config for backend in backends),
        services=tuple(sorted((each for policy in policies for each in policy.services), key=lambda each: each.name)),
        limit_shares=limit_shares(members[0], replicas) if any(each.limited for each in backends) else 1,
    )
    return PlannedRouter(
        config=config,
        entries=dict(sorted(entries.items())),
        members=tuple(member.name for member in members),
        deployment=members[0].deployment,
        sidecar=members[0].sidecar,
    )


def limit_shares(policy: PolicyOutline, replicas: int | None) -> int:
    """Among how many workers limits are divided; ``replicas`` are those in force, None before there are any."""
    if policy.sidecar is not None:
        return max(replicas or 1, 1)
    deployment = policy.deployment
    first = FIRST_REPLICAS if deployment.replicas is None else deployment.replicas
    return max(first if replicas is None else replicas, 1) * deployment.workers


def _forget(parts: Parts, backends: Iterable[str], policies: Sequence[str], routers: Iterable[str]) -> None:
    parts.backends.keep(backends)
    parts.policies.keep(policies)
    parts.routes.keep(policies)
    parts.routers.keep(routers)
