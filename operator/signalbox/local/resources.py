"""The resources of a directory: those that are valid, and the names of those that are not."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from signalbox.api import ModelBackend, RoutingPolicy
from signalbox.local.learning.learned import Learned
from signalbox.local.objects import Resource, parse
from signalbox.local.source import Source, SourceError, choose_namespace, load
from signalbox.plan.observed import Service


@dataclass(frozen=True, slots=True)
class Options:
    """Which part of a directory to use, and what to know beside it.

    ``policies`` empty means all; ``endpoints`` stand in for Services, by name of the backend; ``environment`` may
    hold Secrets; ``learned`` knows what was learned for policies.
    """

    path: Path
    namespace: str | None = None
    policies: Collection[str] = ()
    endpoints: Mapping[str, Service] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    learned: Learned = field(default_factory=Learned)


@dataclass(frozen=True, slots=True)
class Resources:
    """Valid resources by name, names of invalid ones, and the source that tells where each stands."""

    namespace: str
    source: Source
    policies: Mapping[str, RoutingPolicy]
    backends: Mapping[str, ModelBackend]
    invalid_policies: frozenset[str] = frozenset()
    invalid_backends: frozenset[str] = frozenset()


def read_source(options: Options) -> tuple[Source, str]:
    """The objects of the namespace in force, and its name. Raises ``SourceError``."""
    source = load(options.path)
    return source, choose_namespace(source, options.namespace)


def resources(source: Source, namespace: str, options: Options) -> Resources:
    """Validate the objects; what is wrong is added to the source's problems.

    Raises ``SourceError`` when an option names something that isn't there.
    """
    backends, invalid_backends = _parse(ModelBackend, source, namespace)
    policies, invalid_policies = _parse(RoutingPolicy, source, namespace)
    if not source.broken:
        _check_names(options, {*policies, *invalid_policies}, backends, invalid_backends)
    if options.policies:
        policies = {name: policy for name, policy in policies.items() if name in options.policies}
        invalid_policies &= set(options.policies)
    return Resources(namespace, source, policies, backends, invalid_policies, invalid_backends)


def _parse(model: type[Resource], source: Source, namespace: str) -> tuple[dict[str, Resource], frozenset[str]]:
    valid: dict[str, Resource] = {}
    invalid = set()
    for found in source.of_kind(model.__name__):
        resource, problems = parse(model, found, namespace)
        source.problems += problems
        if resource is None:
            invalid.add(found.name)
        else:
            valid[found.name] = resource
    return valid, frozenset(invalid)


def _check_names(
    options: Options, policies: Collection[str], backends: Mapping[str, ModelBackend], invalid: Collection[str]
) -> None:
    for name in sorted(options.policies):
        if name not in policies:
            raise SourceError(f"--policy {name}: there is no such RoutingPolicy{_known(policies)}")
    for name in sorted(options.endpoints):
        if name not in backends and name not in invalid:
            raise SourceError(f"--endpoint {name}: there is no such ModelBackend{_known({*backends, *invalid})}")
        if name in backends and backends[name].spec.url is not None:
            raise SourceError(f"--endpoint {name}: this ModelBackend has a url; endpoints are for serviceRef only")


def _known(names: Collection[str]) -> str:
    return f"; there is {', '.join(sorted(names))}" if names else ""
