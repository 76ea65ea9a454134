"""From the store to what a plan must know. Values of Secrets are fetched when they are referred to, and not kept."""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import ValidationError

from signalbox.api import ModelBackend, RoutingPolicy
from signalbox.api.errors import field_errors
from signalbox.controller.store import Store
from signalbox.kube.client import Client, Object
from signalbox.kube.resources import BACKENDS, CONFIG_MAPS, ENDPOINT_SLICES, POLICIES, SECRETS, SERVICES, Resource
from signalbox.plan.contents import is_api_key, is_tenant_key
from signalbox.plan.observed import Observed, Service
from signalbox.plan.problems import Problem, path_of
from signalbox.plan.services import SERVICE_LABEL, service_of

Model = TypeVar("Model", ModelBackend, RoutingPolicy)
Values = dict[str, dict[str, bytes]]


@dataclass
class Seen:
    """The resources of a namespace: those that are valid by themselves, and what is wrong with the others."""

    policies: dict[str, RoutingPolicy] = field(default_factory=dict)
    backends: dict[str, ModelBackend] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def invalid(self, kind: str) -> frozenset[str]:
        """Names of a kind that are there but not valid by themselves."""
        return frozenset(problem.name for problem in self.problems if problem.kind == kind)


def resources(store: Store, namespace: str) -> Seen:
    """Read the resources of a namespace."""
    seen = Seen()
    for obj in store.of(POLICIES, namespace):
        if (policy := _parse(RoutingPolicy, obj, seen.problems)) is not None:
            seen.policies[policy.metadata.name] = policy
    for obj in store.of(BACKENDS, namespace):
        if (backend := _parse(ModelBackend, obj, seen.problems)) is not None:
            seen.backends[backend.metadata.name] = backend
    return seen


def _parse(model: type[Model], obj: Object, problems: list[Problem]) -> Model | None:
    """The API server has checked the schema that it knows; an object may be older than that."""
    try:
        return model.model_validate({key: value for key, value in obj.items() if key != "status"})
    except ValidationError as error:
        problems += [
            Problem(
                kind=model.__name__,
                name=obj["metadata"]["name"],
                reason="InvalidField",
                path=path_of(one.location),
                message=one.message,
            )
            for one in field_errors(model, error)
        ]
        return None


def services(store: Store, namespace: str, backends: Iterable[ModelBackend]) -> dict[str, Service]:
    """What each ``serviceRef`` leads to, by name of the backend."""
    slices: dict[str, list[Object]] = {}
    for one in store.of(ENDPOINT_SLICES, namespace):
        slices.setdefault(one["metadata"].get("labels", {}).get(SERVICE_LABEL, ""), []).append(one)
    found: dict[str, Service] = {}
    for backend in backends:
        reference = backend.spec.service_ref
        service = store.get(SERVICES, namespace, reference.name) if reference is not None else None
        if reference is not None and service is not None:
            dns = f"{reference.name}.{namespace}.svc"
            found[backend.metadata.name] = service_of(service, slices.get(reference.name, ()), reference.port, dns)
    return found


async def values(
    client: Client, store: Store, namespace: str, policies: Iterable[RoutingPolicy], backends: Iterable[ModelBackend]
) -> tuple[Values, Values]:
    """The content of every Secret and ConfigMap that is referred to and exists. Raises ``ApiError``.

    Values that can never serve are left out, and so count as absent.
    """
    tenants = {
        key.secret_ref.name for p in policies for tenant in p.spec.access.tenants or () for key in tenant.keys_from
    }
    keys, pairs, authorities = set(), set(), set()
    for backend in backends:
        if backend.spec.auth is not None:
            keys.add(backend.spec.auth.api_key.secret_ref.name)
        if (tls := backend.spec.tls) is not None:
            if tls.client_certificate_ref is not None:
                pairs.add(tls.client_certificate_ref.name)
            if tls.ca_config_map_ref is not None:
                authorities.add(tls.ca_config_map_ref.name)
    secrets = await _fetch(client, store, SECRETS, namespace, tenants | keys | pairs)
    for name, found in secrets.items():
        for key, value in list(found.items()):
            fit = (name in tenants and is_tenant_key(value)) or (name in keys and is_api_key(value)) or name in pairs
            if not fit:
                del found[key]
    return secrets, await _fetch(client, store, CONFIG_MAPS, namespace, authorities)


async def _fetch(client: Client, store: Store, resource: Resource, namespace: str, names: Iterable[str]) -> Values:
    found: Values = {}
    for name in sorted(names):
        if store.get(resource, namespace, name) is None:
            continue  # whatever appears is seen by the watch
        obj = await client.get(resource, namespace, name)
        if obj is None:
            continue
        if resource is SECRETS:
            found[name] = {key: base64.b64decode(value) for key, value in (obj.get("data") or {}).items()}
        else:
            found[name] = {key: value.encode() for key, value in (obj.get("data") or {}).items()}
    return found


def observed(store: Store, namespace: str, seen: Seen, secrets: Values, config_maps: Values) -> Observed:
    """What the plan must know: names only."""
    return Observed(
        services=services(store, namespace, seen.backends.values()),
        secrets=_names(secrets),
        config_maps=_names(config_maps),
        invalid_backends=seen.invalid("ModelBackend"),
    )


def _names(values: Mapping[str, Mapping[str, bytes]]) -> dict[str, frozenset[str]]:
    return {name: frozenset(found) for name, found in values.items()}
