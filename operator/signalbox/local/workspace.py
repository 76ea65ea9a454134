"""A directory as routers: everything read and planned, with the place of every problem."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from signalbox.local.objects import locate
from signalbox.local.resources import Options, Resources, read_source, resources
from signalbox.local.services import observe
from signalbox.local.source import Located
from signalbox.local.vault import Vault
from signalbox.plan.compile import Plan, plan
from signalbox.plan.observed import Observed
from signalbox.plan.problems import Problem
from signalbox.plan.routers import PlannedRouter


@dataclass(frozen=True, slots=True)
class Workspace:
    """What a directory says and what follows. ``problems`` are in order of file and line."""

    resources: Resources
    plan: Plan
    vault: Vault
    problems: Sequence[Located]

    @property
    def errors(self) -> list[Located]:
        """Problems that are more than warnings."""
        return [one for one in self.problems if one.problem.severity == "error"]

    def secrets(self, router: PlannedRouter) -> Mapping[str, bytes]:
        """The content of every secret entry of a router."""
        return self.vault.contents(router.entries)


def read(options: Options) -> Workspace:
    """Read and plan a directory. Raises ``SourceError`` when it cannot be used as a whole."""
    source, namespace = read_source(options)
    return assemble(resources(source, namespace, options), options)


def assemble(found: Resources, options: Options) -> Workspace:
    """Plan resources; their source supplies what they refer to."""
    source = found.source
    vault = Vault(source, options.environment, found.policies.values(), found.backends.values())
    observed = Observed(
        services=observe(found.backends.values(), source, options.endpoints),
        secrets=vault.secrets,
        config_maps=vault.config_maps,
        invalid_backends=found.invalid_backends,
    )
    planned = plan(found.policies.values(), found.backends.values(), observed)
    problems = [*source.problems, *locate(source, [_local(problem) for problem in planned.problems])]
    return Workspace(found, planned, vault, sorted(problems, key=_place))


def _place(one: Located) -> tuple[object, ...]:
    where = one.location
    return (where is None, where.file if where else "", where.line if where else 0, where.column if where else 0)


def _local(problem: Problem) -> Problem:
    """A problem of the plan in terms of a directory: what is missing can come by a flag or a variable."""
    if problem.reason == "ServiceNotFound":
        return msgspec.structs.replace(
            problem,
            message=problem.message.replace("does not exist", "has no endpoints here: there is no cluster to ask"),
            fix=f"signalbox up --endpoint {problem.name}=HOST:PORT, or Service and EndpointSlice YAML in the directory",
        )
    if problem.reason == "NoReadyEndpoint":
        return msgspec.structs.replace(problem, fix=f"signalbox up --endpoint {problem.name}=HOST:PORT")
    if problem.reason in {"SecretNotFound", "SecretKeyNotFound"}:
        hint = "in a Secret in the directory, or by the variable SIGNALBOX_SECRET_<NAME>_<KEY>"
        return msgspec.structs.replace(problem, fix=f"{problem.fix} ({hint})")
    return problem
