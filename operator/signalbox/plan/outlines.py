"""The outline of a resource: what others must know of it, or what tells whether it has to be compiled again.

It is small, and there may be very many resources: the rest of each is read when it is compiled, and not kept.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

import msgspec

from signalbox.api import ModelBackend, RoutingPolicy
from signalbox.api.deployment import Deployment
from signalbox.plan.lessons import Lesson, lessons_of
from signalbox.plan.references import References, of_backend, of_policy

_DEFAULT = Deployment()


class PolicyOutline(msgspec.Struct, frozen=True, kw_only=True):
    """Of a policy. ``router`` is the name of the router that serves it, ``sidecar`` a port, where it has one;
    ``targets`` are names of backends, ``lessons`` what is learned for it. It is ``leaving`` where somebody has deleted
    it, and something keeps it yet."""

    name: str
    namespace: str
    uid: str
    created: datetime | None
    models: tuple[str, ...]
    router: str
    deployment: Deployment
    sidecar: int | None
    targets: tuple[str, ...]
    references: References
    lessons: tuple[Lesson, ...] = ()
    leaving: bool = False


class BackendOutline(msgspec.Struct, frozen=True, kw_only=True):
    """Of a backend; ``service`` is name and port, where it has a ``serviceRef``, ``metrics`` the name of the port where
    its engines show their load, where it names one."""

    name: str
    service: tuple[str, int | str] | None
    metrics: str | None = None
    references: References


Outline = TypeVar("Outline", PolicyOutline, BackendOutline)
Resource = TypeVar("Resource", RoutingPolicy, ModelBackend)


@dataclass(frozen=True, slots=True)
class Source(Generic[Outline, Resource]):
    """One form of a resource: its outline, and how to ``read`` it all; equal versions have equal content."""

    outline: Outline
    version: object
    read: Callable[[], Resource]


PolicySource = Source[PolicyOutline, RoutingPolicy]
BackendSource = Source[BackendOutline, ModelBackend]


def router_name(policy: RoutingPolicy) -> str:
    """Name of the router that serves a policy, and of its children in the cluster."""
    group = policy.spec.deployment_in_force.group
    return f"{policy.metadata.name}-router" if group is None else f"{group}-group"


def outline_of_policy(policy: RoutingPolicy) -> PolicyOutline:
    """The outline of a policy."""
    metadata, spec = policy.metadata, policy.spec
    created = metadata.creation_timestamp
    if created is not None and created.tzinfo is None:
        created = created.replace(tzinfo=UTC)
    return PolicyOutline(
        name=metadata.name,
        namespace=metadata.namespace,
        uid=metadata.uid,
        created=created,
        models=tuple(spec.models),
        router=router_name(policy),
        deployment=spec.deployment_in_force if spec.router is not None else _DEFAULT,
        sidecar=spec.sidecar.port if spec.sidecar is not None else None,
        targets=tuple(target.backend_ref.name for target in spec.targets),
        leaving=metadata.deletion_timestamp is not None,
        references=of_policy(policy),
        lessons=lessons_of(policy),
    )


def outline_of_backend(backend: ModelBackend) -> BackendOutline:
    """The outline of a backend."""
    reference = backend.spec.service_ref
    return BackendOutline(
        name=backend.metadata.name,
        service=(reference.name, reference.port) if reference is not None else None,
        metrics=metrics_port(backend),
        references=of_backend(backend),
    )


def metrics_port(backend: ModelBackend) -> str | None:
    """The name of the port of the metrics, which only the Service can tell the number of."""
    signals = backend.spec.signals
    return signals.port if signals is not None and isinstance(signals.port, str) else None


def source_of_policy(policy: RoutingPolicy) -> PolicySource:
    """A policy that is held anyway."""
    return Source(outline_of_policy(policy), id(policy), lambda: policy)


def source_of_backend(backend: ModelBackend) -> BackendSource:
    """A backend that is held anyway."""
    return Source(outline_of_backend(backend), id(backend), lambda: backend)
