"""Router configurations made by hand."""

import hashlib
from collections.abc import Sequence
from typing import Any, Protocol

from signalbox.routing.config import (
    FORMAT_VERSION,
    Access,
    Address,
    Backend,
    Policy,
    Route,
    RouterConfig,
    Share,
    Target,
    Tenant,
    Weighted,
)


class Addressed(Protocol):
    """Something that listens."""

    name: str
    address: Address


def backend(upstream: Addressed | Sequence[Addressed], name: str = "", **fields: Any) -> Backend:
    """A backend whose endpoints are upstreams."""
    upstreams = upstream if isinstance(upstream, Sequence) else [upstream]
    return Backend(
        **{
            "name": name or upstreams[0].name,
            "model": "real-model",
            "authority": "engine.test",
            "base_path": "/v1",
            "endpoints": tuple(each.address for each in upstreams),
            **fields,
        }
    )


def policy(*backends: Backend, name: str = "auto", **fields: Any) -> Policy:
    """A policy over backends, its targets named as they are; open to everybody and equal shares unless said."""
    return Policy(
        **{
            "name": name,
            "models": (name,),
            "access": Access(anonymous=True),
            "targets": tuple(Target(name=each.name, backend=each.name) for each in backends),
            "routes": (
                Route(name="default", strategy=Weighted(targets=tuple(Share(target=each.name) for each in backends))),
            ),
            **fields,
        }
    )


def config(policies: Policy | Sequence[Policy], *backends: Backend) -> RouterConfig:
    """A router configuration."""
    return RouterConfig(
        format_version=FORMAT_VERSION,
        name="router",
        policies=(policies,) if isinstance(policies, Policy) else tuple(policies),
        backends=backends,
    )


def tenant(name: str, *keys: str, policy_name: str = "auto", tier: str = "") -> tuple[Tenant, dict[str, bytes]]:
    """A tenant and the secret entry that proves its keys."""
    entry = f"tenant.{policy_name}.{name}.keys"
    digests = "\n".join(hashlib.sha256(key.encode()).hexdigest() for key in keys)
    return Tenant(name=name, tier=tier, keys=(entry,)), {entry: digests.encode()}
