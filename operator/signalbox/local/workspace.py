"""A directory as routers: everything read and planned, with the place of every problem."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from signalbox.local.learning.learned import Tell, due
from signalbox.local.objects import locate
from signalbox.local.resources import Options, Resources, read_source, resources
from signalbox.local.services import observe
from signalbox.local.source import Located
from signalbox.local.vault import Vault
from signalbox.plan.compile import Plan, plan
from signalbox.plan.learned import Standing
from signalbox.plan.learned import problems as learning_problems
from signalbox.plan.lessons import Source
from signalbox.plan.observed import Observed
from signalbox.plan.problems import Problem
from signalbox.plan.routers import PlannedRouter


@dataclass(frozen=True, slots=True)
class Workspace:
    """What a directory says and what follows. ``problems`` are in order of file and line; ``standings`` are those of
    all lessons, and ``examples`` what they are learned from."""

    resources: Resources
    plan: Plan
    vault: Vault
    problems: Sequence[Located]
    standings: Sequence[Standing] = ()
    examples: Mapping[Source, bytes] = field(default_factory=dict)

    @property
    def errors(self) -> list[Located]:
        """Problems that are more than warnings."""
        return [one for one in self.problems if one.problem.severity == "error"]

    def secrets(self, router: PlannedRouter) -> Mapping[str, bytes]:
        """The content of every secret entry of a router."""
        return self.vault.contents(router.entries)


def read(options: Options, tell: Tell = lambda _: None) -> Workspace:
    """Read and plan a directory, with everything learned that its policies have learned for them. Raises
    ``SourceError`` when it cannot be used as a whole."""
    workspace = _read(options)
    if not (left := due(workspace.standings)):
        return workspace
    for one in left:
        options.learned.learn_now(one, workspace.examples, tell)
    return _read(options)


def _read(options: Options) -> Workspace:
    source, namespace = read_source(options)
    return assemble(resources(source, namespace, options), options)


def assemble(found: Resources, options: Options) -> Workspace:
    """Plan resources; their source supplies what they refer to."""
    source = found.source
    vault = Vault(source, options.environment, found.policies.values(), found.backends.values())
    examples = vault.examples
    standings = options.learned.standings(found.policies.values(), examples)
    observed = Observed(
        services=observe(found.backends.values(), source, options.endpoints),
        secrets=vault.secrets,
        config_maps=vault.config_maps,
        invalid_backends=found.invalid_backends,
        artefacts={one.lesson.key: one.model for one in standings if one.model},
    )
    planned = plan(found.policies.values(), found.backends.values(), observed)
    wrong = [_local(problem) for problem in (*planned.problems, *learning_problems(standings))]
    problems = sorted([*source.problems, *locate(source, wrong)], key=_place)
    return Workspace(found, planned, vault, problems, standings, examples)


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
