"""Digests of tenants' keys: the one kind of secret content that may be named elsewhere."""

from collections.abc import Mapping

from signalbox.routing.config import RouterConfig


def tenant_digests(config: RouterConfig, secrets: Mapping[str, bytes]) -> frozenset[str]:
    """Every digest under the entries that a configuration names for its tenants, and under no other entry."""
    names = {entry for policy in config.policies for tenant in policy.access.tenants for entry in tenant.keys}
    return frozenset(line.decode() for name in names for line in secrets.get(name, b"").split())
