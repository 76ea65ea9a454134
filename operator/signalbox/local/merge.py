"""All routers of a namespace as one, for one listener."""

from collections.abc import Sequence

from signalbox.plan.credentials import Entry
from signalbox.plan.routers import PlannedRouter
from signalbox.routing.config import FORMAT_VERSION, Backend, Policy, RouterConfig


class ModelConflictError(Exception):
    """Two routers serve one model: one listener cannot tell which is meant."""

    def __init__(self, model: str, policies: tuple[str, str]) -> None:
        one, other = policies
        super().__init__(
            f'the model "{model}" is served by the separate routers of RoutingPolicy {one} and RoutingPolicy {other}, '
            f"but here is one listener: choose with --policy {one} or --policy {other}"
        )


def merge(routers: Sequence[PlannedRouter], limit_shares: int) -> PlannedRouter:
    """One router with the policies of all. Raises ``ModelConflictError``."""
    owners: dict[str, Policy] = {}
    backends: dict[str, Backend] = {}
    services: list[Backend] = []
    entries: dict[str, Entry] = {}
    for router in routers:
        for policy in router.config.policies:
            for model in policy.models:
                owner = owners.setdefault(model, policy)
                if owner is not policy:
                    raise ModelConflictError(model, (owner.name, policy.name))
        backends |= {backend.name: backend for backend in router.config.backends}
        services += router.config.services
        entries |= router.entries
    policies = sorted((p for router in routers for p in router.config.policies), key=lambda policy: policy.name)
    config = RouterConfig(
        format_version=FORMAT_VERSION,
        name="local",
        policies=tuple(policies),
        backends=tuple(backends[name] for name in sorted(backends)),
        services=tuple(sorted(services, key=lambda service: service.name)),
        limit_shares=limit_shares,
    )
    return PlannedRouter(config=config, entries=dict(sorted(entries.items())))
