"""The Secrets and ConfigMaps that a resource refers to, by what they are for."""

from collections.abc import Iterable

import msgspec

from signalbox.api import ModelBackend, RoutingPolicy
from signalbox.plan.lessons import lessons_of

_NONE: frozenset[str] = frozenset()


class References(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Names of Secrets, but for those of ``authorities`` and ``example_maps``, which are ConfigMaps. What is in
    ``example_secrets`` and ``example_maps`` is learned from and never reaches a router."""

    tenants: frozenset[str] = _NONE
    keys: frozenset[str] = _NONE
    pairs: frozenset[str] = _NONE
    example_secrets: frozenset[str] = _NONE
    authorities: frozenset[str] = _NONE
    example_maps: frozenset[str] = _NONE

    @property
    def secrets(self) -> frozenset[str]:
        """All Secrets."""
        return self.tenants | self.keys | self.pairs | self.example_secrets

    @property
    def config_maps(self) -> frozenset[str]:
        """All ConfigMaps."""
        return self.authorities | self.example_maps


def of_policy(policy: RoutingPolicy) -> References:
    """What a policy refers to by itself, without its backends."""
    tenants = {key.secret_ref.name for tenant in policy.spec.access.tenants or () for key in tenant.keys_from}
    serving = policy.spec.deployment_in_force.tls if policy.spec.sidecar is None else None
    asked = [each.http for each in policy.spec.classifiers or () if each.http is not None]
    learned_from = [source for lesson in lessons_of(policy) for source in lesson.sources]
    return References(
        tenants=frozenset(tenants),
        keys=frozenset({each.auth.api_key.secret_ref.name for each in asked if each.auth is not None}),
        authorities=frozenset({each.ca_config_map_ref.name for each in asked if each.ca_config_map_ref is not None}),
        pairs=frozenset({serving.secret_ref.name}) if serving else _NONE,
        example_secrets=frozenset({source.name for source in learned_from if source.kind == "Secret"}),
        example_maps=frozenset({source.name for source in learned_from if source.kind == "ConfigMap"}),
    )


def of_backend(backend: ModelBackend) -> References:
    """What a backend refers to."""
    auth, tls = backend.spec.auth, backend.spec.tls
    pair = tls.client_certificate_ref if tls else None
    authority = tls.ca_config_map_ref if tls else None
    return References(
        keys=frozenset({auth.api_key.secret_ref.name}) if auth else _NONE,
        pairs=frozenset({pair.name}) if pair else _NONE,
        authorities=frozenset({authority.name}) if authority else _NONE,
    )


def together(several: Iterable[References]) -> References:
    """Everything that any of them names."""
    found: dict[str, set[str]] = {field: set() for field in References.__struct_fields__}
    for one in several:
        for field, names in found.items():
            names.update(getattr(one, field))
    return References(**{field: frozenset(names) for field, names in found.items()})
