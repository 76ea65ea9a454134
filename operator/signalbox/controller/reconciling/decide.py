"""What is to be served in a namespace: the plan, with the last valid form of whatever is invalid."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import msgspec

from signalbox.api import RoutingPolicy
from signalbox.controller.learning.lessons import Lessons
from signalbox.controller.reconciling import observe
from signalbox.controller.reconciling.lastgood import LastGood
from signalbox.controller.reconciling.pods import Pods
from signalbox.controller.reconciling.reader import Key, Reader
from signalbox.controller.reconciling.sources import Reading
from signalbox.controller.reconciling.together import Steps
from signalbox.controller.watching.store import Store
from signalbox.kube.client import Object
from signalbox.kube.resources import BACKENDS, CONFIG_MAPS, ENDPOINT_SLICES, POLICIES, SECRETS, SERVICES, Resource
from signalbox.plan.compile import Parts, Plan, planning
from signalbox.plan.lastgood import Record
from signalbox.plan.learned import Standing
from signalbox.plan.learned import problems as learning_problems
from signalbox.plan.observed import Observed, Service
from signalbox.plan.outlines import (
    BackendSource,
    PolicySource,
    Source,
    outline_of_backend,
    outline_of_policy,
)
from signalbox.plan.problems import Problem
from signalbox.plan.references import References, together
from signalbox.plan.services import SERVICE_LABEL
from signalbox.routing.address_rules import AddressRules

Same = TypeVar("Same")
Interest = tuple[Resource, str]  # a kind and a name


@dataclass(frozen=True)
class Decided:
    """What is to be served: the plan, the resources behind it by name, what is to be remembered of each by kind and
    name, and all problems; what each ``serviceRef`` leads to, and everything that is referred to.
    ``generations`` are those of all policies and backends that this is about, by uid; ``standings`` how the lessons of
    policies stand, by name."""

    plan: Plan
    policies: dict[str, PolicySource]
    backends: dict[str, BackendSource]
    records: dict[Key, Callable[[], Record]]
    problems: list[Problem]
    services: Mapping[str, Service]
    used: References
    generations: Mapping[str, int]
    standings: Mapping[str, Sequence[Standing]]

    def version_of(self, backend: str) -> object:
        """That of a backend; None where it is not there."""
        found = self.backends.get(backend)
        return found.version if found is not None else None


class Decider:
    """Remembers of each namespace only what concerns it. ``rules`` are those for the addresses of backends, ``own``
    the operator's Services by namespace and name, behind which no backend is; ``lessons`` knows what was learned."""

    def __init__(
        self,
        store: Store,
        last_good: LastGood,
        rules: AddressRules,
        pods: Pods,
        own: Sequence[tuple[str, str]],
        lessons: Lessons,
    ) -> None:
        self._own, self._lessons = tuple(own), lessons
        self._store, self._last_good, self._rules, self._pods = store, last_good, rules, pods
        self._interests: dict[str, frozenset[Interest]] = {}
        self._steps = Steps()
        self._reader = Reader(store, self._steps)
        self._parts: dict[str, Parts] = {}

    def concerns(self, resource: Resource, obj: Object) -> bool:
        """Whether a change of an object can change anything in its namespace. Most Secrets are nobody's here."""
        metadata = obj["metadata"]
        name = metadata["name"]
        if resource is ENDPOINT_SLICES:
            name = (metadata.get("labels") or {}).get(SERVICE_LABEL, "")
        elif resource not in (SECRETS, CONFIG_MAPS, SERVICES):
            return True
        interests = self._interests.get(metadata["namespace"])
        return interests is None or (resource, name) in interests

    async def decide(self, namespace: str, reading: Reading) -> Decided:
        """Plan, with the last valid form of whatever is invalid.

        A last valid form may be in another's way, which is then invalid in its turn and gets its own, once.
        """
        seen = await self._reader.resources(namespace)
        policies, backends = {**seen.policies}, {**seen.backends}
        restored: dict[Key, Record] = {}
        problems = seen.problems
        wrong, known = {(p.kind, p.name) for p in problems}, set[Key]()
        while True:
            for kind, name in wrong:
                current: dict[str, Any] = policies if kind == POLICIES.kind else backends
                current.pop(name, None)
                if (found := self._restore(namespace, kind, name)) is not None:
                    current[name], restored[kind, name] = found
            known |= wrong
            used = together(
                [
                    *(policy.outline.references for policy in policies.values()),
                    *(backend.outline.references for backend in backends.values()),
                ]
            )
            self._interests[namespace] = _interests(used, [*seen.backends.values(), *backends.values()])
            secrets, config_maps = await reading.facts(used)
            observed = observe.observed(
                self._store,
                reading.children,
                namespace,
                {name: backend.outline for name, backend in backends.items()},
                secrets,
                config_maps,
                reading.faults(),
                self._rules,
                self._own,
            )
            sidecars = {
                policy.outline.router: self._pods.count(namespace, name).injected
                for name, policy in policies.items()
                if policy.outline.sidecar is not None
            }
            outlines = [policy.outline for policy in policies.values()]
            standings = self._lessons.standings(namespace, outlines, reading.examples())
            artefacts = {one.lesson.key: one.model for each in standings.values() for one in each if one.model}
            replicas = {**observed.replicas, **sidecars}
            observed = msgspec.structs.replace(observed, replicas=replicas, artefacts=artefacts)
            said = await self._plan(namespace, policies, backends, observed, restored)
            wrong = {(p.kind, p.name) for p in said.problems if p.invalidates} - known
            problems += [p for p in said.problems if (p.kind, p.name) in wrong]
            if not wrong:
                break
        problems += [p for p in said.problems if (p.kind, p.name) not in known]
        problems += [p for each in standings.values() for p in learning_problems(each)]
        if not seen.records:
            del self._interests[namespace], self._parts[namespace]
        self._last_good.keep(namespace, known)
        records = {key: record for key, record in seen.records.items() if key not in known}
        records |= {key: partial(_same, record) for key, record in restored.items()}
        return Decided(
            said, policies, backends, records, problems, observed.services, used, seen.generations, standings
        )

    def _restore(self, namespace: str, kind: str, name: str) -> tuple[PolicySource | BackendSource, Record] | None:
        """The last valid form of an object, and its record."""
        obj = self._store.get(POLICIES if kind == POLICIES.kind else BACKENDS, namespace, name)
        found = self._last_good.find(kind, obj) if obj is not None else None
        if found is None:
            return None
        resource, record = found
        if isinstance(resource, RoutingPolicy):
            return Source(outline_of_policy(resource), record, partial(_same, resource)), record
        return Source(outline_of_backend(resource), record, partial(_same, resource)), record

    async def _plan(
        self,
        namespace: str,
        policies: Mapping[str, PolicySource],
        backends: Mapping[str, BackendSource],
        observed: Observed,
        restored: Iterable[Key],
    ) -> Plan:
        """The plan. Other work goes on while very many resources are compiled."""
        parts = self._parts.setdefault(namespace, Parts())
        names = {name for kind, name in restored if kind == POLICIES.kind}
        steps = planning([*policies.values()], [*backends.values()], observed, names, parts)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                planned: Plan = end.value
                return planned
            await self._steps.next()


def _same(thing: Same) -> Same:
    return thing


def _interests(used: References, backends: Iterable[BackendSource]) -> frozenset[Interest]:
    """What can change the plan beside our own kinds."""
    services = {backend.outline.service[0] for backend in backends if backend.outline.service is not None}
    return frozenset(
        {(resource, name) for name in services for resource in (SERVICES, ENDPOINT_SLICES)}
        | {(SECRETS, name) for name in used.secrets}
        | {(CONFIG_MAPS, name) for name in used.config_maps}
    )
