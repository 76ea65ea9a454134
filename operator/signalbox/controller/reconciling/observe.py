"""From the store to what a plan must know."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError

from signalbox.api import ModelBackend, RoutingPolicy
from signalbox.api.errors import field_errors
from signalbox.controller.applying.apply import is_ours
from signalbox.controller.watching.store import Store
from signalbox.kube.client import Object
from signalbox.kube.resources import BACKENDS, DEPLOYMENTS, ENDPOINT_SLICES, POLICIES, SECRETS, SERVICES, Resource
from signalbox.plan.contents import Facts
from signalbox.plan.observed import Observed, Service
from signalbox.plan.problems import Problem, path_of
from signalbox.plan.services import SERVICE_LABEL, is_ip, service_of
from signalbox.routing.address_rules import AddressRules, Network, parse_networks

KUBERNETES = "default", "kubernetes"


@dataclass
class Seen:
    """The resources of a namespace: those that are valid by themselves, and what is wrong with the others."""

    policies: dict[str, RoutingPolicy] = field(default_factory=dict)
    backends: dict[str, ModelBackend] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


_KINDS: tuple[tuple[Resource, type[RoutingPolicy | ModelBackend]], ...] = (
    (POLICIES, RoutingPolicy),
    (BACKENDS, ModelBackend),
)


class Reader:
    """Reads resources, and remembers each until its generation changes: to check one takes long, and there are many."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, dict[str, Known]] = {}

    async def resources(self, namespace: str) -> Seen:
        """The resources of a namespace, as they are when this ends; other work goes on while very many are read."""
        for resource, model in _KINDS:
            for obj in self._store.of(resource, namespace):
                if self._known_of(obj) is None:
                    self._known.setdefault(namespace, {})[obj["metadata"]["uid"]] = _parse(model, obj)
                    await asyncio.sleep(0)
        return self._all(namespace)

    def _all(self, namespace: str) -> Seen:
        seen, now = Seen(), dict[str, Known]()
        for resource, model in _KINDS:
            for obj in self._store.of(resource, namespace):
                known = now[obj["metadata"]["uid"]] = self._known_of(obj) or _parse(model, obj)
                seen.problems += known.problems
                if isinstance(known.resource, RoutingPolicy):
                    seen.policies[known.resource.metadata.name] = known.resource
                elif known.resource is not None:
                    seen.backends[known.resource.metadata.name] = known.resource
        if now:
            self._known[namespace] = now
        else:
            self._known.pop(namespace, None)
        return seen

    def _known_of(self, obj: Object) -> "Known | None":
        metadata = obj["metadata"]
        known = self._known.get(metadata["namespace"], {}).get(metadata["uid"])
        return known if known is not None and known.generation == metadata.get("generation") else None


@dataclass(frozen=True)
class Known:
    """One generation of a resource; None where it is not valid by itself."""

    generation: int | None
    resource: RoutingPolicy | ModelBackend | None
    problems: tuple[Problem, ...] = ()


def _parse(model: type[RoutingPolicy | ModelBackend], obj: Object) -> Known:
    """The API server has checked the schema that it knows; an object may be older than that."""
    generation = obj["metadata"].get("generation")
    try:
        return Known(generation, model.model_validate({key: value for key, value in obj.items() if key != "status"}))
    except ValidationError as error:
        problems = [
            Problem(
                kind=model.__name__,
                name=obj["metadata"]["name"],
                reason="InvalidField",
                path=path_of(one.location),
                message=one.message,
            )
            for one in field_errors(model, error)
        ]
        return Known(generation, None, tuple(problems))


def services(store: Store, namespace: str, backends: Iterable[ModelBackend]) -> dict[str, Service]:
    """What each ``serviceRef`` leads to, by name of the backend."""
    slices: dict[str, list[Object]] = {}
    for one in store.of(ENDPOINT_SLICES, namespace):
        slices.setdefault(_service_name(one), []).append(one)
    found: dict[str, Service] = {}
    for backend in backends:
        reference = backend.spec.service_ref
        service = store.get(SERVICES, namespace, reference.name) if reference is not None else None
        if reference is not None and service is not None:
            dns = f"{reference.name}.{namespace}.svc"
            found[backend.metadata.name] = service_of(service, slices.get(reference.name, ()), reference.port, dns)
    return found


def observed(
    store: Store,
    children: Store,
    namespace: str,
    backends: Mapping[str, ModelBackend],
    secrets: Facts,
    config_maps: Facts,
    faults: Mapping[str, str],
    rules: AddressRules,
    own: Iterable[tuple[str, str]] = (),
) -> Observed:
    """What the plan must know: names and addresses. Backends that are there but not among ``backends`` are invalid;
    ``own`` are the operator's Services."""
    there = store.uids(BACKENDS, namespace).keys()
    return Observed(
        services=services(store, namespace, backends.values()),
        secrets=_names(secrets),
        config_maps=_names(config_maps),
        invalid_backends=frozenset(there - backends.keys()),
        addresses=rules.denying(_addresses(store, (KUBERNETES, *own))),
        faults=faults,
        kept=frozenset(
            entry for live in children.of(SECRETS, namespace) if is_ours(live) for entry in live.get("data") or ()
        ),
        replicas={
            live["metadata"]["name"]: live["spec"]["replicas"]
            for live in children.of(DEPLOYMENTS, namespace)
            if "replicas" in live["spec"]
        },
    )


def _addresses(store: Store, services: Iterable[tuple[str, str]]) -> tuple[Network, ...]:
    """The addresses of Services by namespace and name, and those behind them, where their namespaces are watched."""
    hosts: list[str] = []
    for namespace, name in services:
        hosts += (store.get(SERVICES, namespace, name) or {"spec": {}})["spec"].get("clusterIPs") or ()
        slices = [one for one in store.of(ENDPOINT_SLICES, namespace) if _service_name(one) == name]
        hosts += [host for one in slices for endpoint in one["endpoints"] for host in endpoint.get("addresses") or ()]
    return parse_networks(sorted({host for host in hosts if is_ip(host)}))


def _names(values: Facts) -> dict[str, frozenset[str]]:
    return {name: frozenset(found) for name, found in values.items()}


def _service_name(endpoint_slice: Object) -> str:
    return str((endpoint_slice["metadata"].get("labels") or {}).get(SERVICE_LABEL, ""))
