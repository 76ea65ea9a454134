"""The Secrets and ConfigMaps that a resource refers to, by what they are for."""

from collections.abc import Iterable

import msgspec

from signalbox.api import ModelBackend, RoutingPolicy

_NONE: frozenset[str] = frozenset()


class References(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Names of Secrets, but for those of ``authorities``, which are ConfigMaps."""

    tenants: frozenset[str] = _NONE
    keys: frozenset[str] = _NONE
    pairs: frozenset[str] = _NONE
    authorities: frozenset[str] = _NONE

    @property
    def secrets(self) -> frozenset[str]:
        """All Secrets."""
        return self.tenants | self.keys | self.pairs


def of_policy(policy: RoutingPolicy) -> References:
    """What a policy refers to by itself, without its backends."""
    tenants = {key.secret_ref.name for tenant in policy.spec.access.tenants or () for key in tenant.keys_from}
    serving = policy.spec.deployment_in_force.tls if policy.spec.sidecar is None else None
    return References(tenants=frozenset(tenants), pairs=frozenset({serving.secret_ref.name}) if serving else _NONE)


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
    tenants, keys, pairs, authorities = set[str](), set[str](), set[str](), set[str]()
    for one in several:
        tenants |= one.tenants
        keys |= one.keys
        pairs |= one.pairs
        authorities |= one.authorities
    return References(
        tenants=frozenset(tenants), keys=frozenset(keys), pairs=frozenset(pairs), authorities=frozenset(authorities)
    )
