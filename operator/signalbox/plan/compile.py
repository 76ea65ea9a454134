"""The plan: policies, backends and what was observed in; router configurations and problems out. Pure."""

from collections.abc import Iterable, Sequence

import msgspec

from signalbox.api import ModelBackend, RoutingPolicy
from signalbox.plan.backends import PlannedBackend, absent, compile_backend
from signalbox.plan.credentials import Entry
from signalbox.plan.groups import members
from signalbox.plan.observed import Observed
from signalbox.plan.policies import PlannedPolicy, compile_policy
from signalbox.plan.problems import Problem, order
from signalbox.routing.config import FORMAT_VERSION, RouterConfig


class PlannedRouter(msgspec.Struct, frozen=True, kw_only=True):
    """One router: its configuration, where each secret entry that it names comes from, and whose it is.

    ``members`` are the names of its policies, the eldest first.
    """

    config: RouterConfig
    entries: dict[str, Entry]
    members: tuple[str, ...] = ()


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Routers by name, and problems in a fixed order: equal input in any order gives an equal plan."""

    routers: tuple[PlannedRouter, ...]
    problems: tuple[Problem, ...]


def plan(
    policies: Iterable[RoutingPolicy],
    backends: Iterable[ModelBackend],
    observed: Observed,
    *,
    limit_shares: int = 1,
) -> Plan:
    """Plan the routers of one namespace.

    Objects are unique by name. An invalid policy is left out and does not spoil its neighbours; the caller may keep
    its last good form by passing that instead. ``limit_shares`` is the number of workers, over all replicas of a
    router, among which limits are divided.
    """
    problems: list[Problem] = []
    known = {b.metadata.name: compile_backend(b, observed, problems.append) for b in backends}
    invalid = {p.name for p in problems if p.invalidates}
    observed = msgspec.structs.replace(observed, invalid_backends=observed.invalid_backends | invalid)
    known = {name: backend for name, backend in known.items() if name not in invalid}
    compiled: dict[str, PlannedPolicy] = {}
    valid: list[RoutingPolicy] = []
    for policy in policies:
        found: list[Problem] = []
        compiled[policy.metadata.name] = compile_policy(policy, known, observed, found.append)
        if not any(problem.invalidates for problem in found):
            valid.append(policy)
        problems += found
    routers = []
    for name, serving in sorted(members(valid, problems.append).items()):
        names = [policy.metadata.name for policy in serving]
        if names:
            routers.append(_router(name, names, [compiled[each] for each in names], known, limit_shares))
    return Plan(routers=tuple(routers), problems=tuple(sorted(problems, key=order)))


def _router(
    name: str,
    members: Sequence[str],
    policies: Sequence[PlannedPolicy],
    known: dict[str, PlannedBackend],
    limit_shares: int,
) -> PlannedRouter:
    names = sorted({target.backend for policy in policies for target in policy.config.targets})
    backends = [known.get(backend) or absent(backend) for backend in names]
    named = [*(policy.entries for policy in policies), *(backend.entries for backend in backends)]
    entries = {entry: source for part in named for entry, source in part.items()}
    config = RouterConfig(
        format_version=FORMAT_VERSION,
        name=name,
        policies=tuple(sorted((policy.config for policy in policies), key=lambda policy: policy.name)),
        backends=tuple(backend.config for backend in backends),
        limit_shares=limit_shares,
    )
    return PlannedRouter(config=config, entries=dict(sorted(entries.items())), members=tuple(members))
