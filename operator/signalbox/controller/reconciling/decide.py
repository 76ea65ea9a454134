"""What is to be served in a namespace: the plan, with the last valid form of whatever is invalid."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from signalbox.api import ModelBackend, RoutingPolicy
from signalbox.controller.reconciling import observe
from signalbox.controller.reconciling.lastgood import Key, LastGood
from signalbox.controller.reconciling.pods import Pods
from signalbox.controller.reconciling.sources import Reading, References, references
from signalbox.controller.watching.store import Store
from signalbox.kube.client import Object
from signalbox.kube.resources import BACKENDS, CONFIG_MAPS, ENDPOINT_SLICES, POLICIES, SECRETS, SERVICES, Resource
from signalbox.plan.compile import Plan, plan
from signalbox.plan.groups import router_name
from signalbox.plan.lastgood import Record, record_of
from signalbox.plan.observed import Service
from signalbox.plan.problems import Problem
from signalbox.plan.routes import CompiledRoutes, compiled_routes
from signalbox.plan.services import SERVICE_LABEL
from signalbox.routing.address_rules import AddressRules

Interest = tuple[Resource, str]  # a kind and a name


@dataclass(frozen=True)
class Decided:
    """What is to be served: the plan, the resources behind it by kind and name, their records, and all problems;
    what each ``serviceRef`` leads to, and everything that is referred to. ``generations`` are those of all policies and
    backends that this is about, by uid."""

    plan: Plan
    policies: dict[str, RoutingPolicy]
    records: dict[Key, Record]
    problems: list[Problem]
    services: Mapping[str, Service]
    used: References
    generations: Mapping[str, int | None]


class Decider:
    """Remembers of each namespace only what concerns it. ``rules`` are those for the addresses of backends, ``own``
    the operator's Services by namespace and name, behind which no backend is."""

    def __init__(
        self, store: Store, last_good: LastGood, rules: AddressRules, pods: Pods, own: Sequence[tuple[str, str]]
    ) -> None:
        self._own = tuple(own)
        self._store, self._last_good, self._rules, self._pods = store, last_good, rules, pods
        self._interests: dict[str, frozenset[Interest]] = {}
        self._reader = observe.Reader(store)
        self._routes = RouteMemory()

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
        current: dict[str, dict[str, Any]] = {"RoutingPolicy": {**seen.policies}, "ModelBackend": {**seen.backends}}
        there = {
            (resource.kind, obj["metadata"]["name"]): obj
            for resource in (POLICIES, BACKENDS)
            for obj in self._store.of(resource, namespace)
        }
        for policy in seen.policies.values():
            if self._routes.learn(policy):
                await asyncio.sleep(0)  # there may be very many
        records: dict[Key, Record] = {}
        problems = seen.problems
        wrong, known = {(p.kind, p.name) for p in problems}, set[Key]()
        while True:
            for kind, name in wrong:
                current[kind].pop(name, None)
                if (found := self._last_good.find(kind, there[kind, name])) is not None:
                    current[kind][name], records[kind, name] = found
            known |= wrong
            policies, backends = current["RoutingPolicy"], current["ModelBackend"]
            used = references(policies.values(), backends.values())
            self._interests[namespace] = _interests(used, [*seen.backends.values(), *backends.values()])
            secrets, config_maps = await reading.facts(used)
            observed = observe.observed(
                self._store,
                reading.children,
                namespace,
                backends,
                secrets,
                config_maps,
                reading.faults(),
                self._rules,
                self._own,
            )
            sidecars = {
                router_name(policy): self._pods.count(namespace, name).injected
                for name, policy in policies.items()
                if policy.spec.sidecar is not None
            }
            observed = msgspec.structs.replace(observed, replicas={**observed.replicas, **sidecars})
            restored = {name for kind, name in records if kind == "RoutingPolicy"}
            said = plan(policies.values(), backends.values(), observed, restored, routes_of=self._routes.of)
            wrong = {(p.kind, p.name) for p in said.problems if p.invalidates} - known
            problems += [p for p in said.problems if (p.kind, p.name) in wrong]
            if not wrong:
                break
        problems += [p for p in said.problems if (p.kind, p.name) not in known]
        if not there:
            del self._interests[namespace]
        self._last_good.keep(namespace, known)
        self._routes.keep(namespace, policies.values())
        records |= {key: record_of(obj) for key, obj in there.items() if key not in known}
        generations = {obj["metadata"]["uid"]: obj["metadata"].get("generation") for obj in there.values()}
        return Decided(said, policies, records, problems, observed.services, used, generations)


class RouteMemory:
    """The compiled routes of each policy, until it changes: conditions are most of the work of a plan."""

    def __init__(self) -> None:
        self._known: dict[str, dict[int, tuple[RoutingPolicy, CompiledRoutes]]] = {}

    def of(self, policy: RoutingPolicy) -> CompiledRoutes:
        """Those of the very object, which nobody changes."""
        self.learn(policy)
        return self._known[policy.metadata.namespace][id(policy)][1]

    def learn(self, policy: RoutingPolicy) -> bool:
        """Whether there was something to learn."""
        known = self._known.setdefault(policy.metadata.namespace, {})
        if id(policy) in known:
            return False
        known[id(policy)] = policy, compiled_routes(policy)
        return True

    def keep(self, namespace: str, policies: Iterable[RoutingPolicy]) -> None:
        """Forget all others of a namespace."""
        known = self._known.pop(namespace, {})
        kept = {id(policy): known[id(policy)] for policy in policies if id(policy) in known}
        if kept:
            self._known[namespace] = kept


def _interests(used: References, backends: Iterable[ModelBackend]) -> frozenset[Interest]:
    """What can change the plan beside our own kinds."""
    services = {backend.spec.service_ref.name for backend in backends if backend.spec.service_ref is not None}
    return frozenset(
        {(resource, name) for name in services for resource in (SERVICES, ENDPOINT_SLICES)}
        | {(SECRETS, name) for name in used.secrets}
        | {(CONFIG_MAPS, name) for name in used.authorities}
    )
