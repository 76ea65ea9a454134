"""kopf as the source of events, and nothing else: what it sees goes into the store.

Only ``on.event`` is used: all other handlers write annotations or finalizers into users' resources. The whole of
``kopf.operator`` ends on some errors of the API server; whoever runs it starts it again.
"""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import kopf

from signalbox.controller.store import Store
from signalbox.kube.resources import BACKENDS, POLICIES, Resource

RESTART_SECONDS = 0.5
SERVER_SECONDS = 300  # the API server takes whole seconds only
CONNECT_SECONDS = 10

_log = logging.getLogger(__name__)


class _Endless:
    """Back-offs without an end: giving up would end the whole operator."""

    def __iter__(self) -> Iterator[float]:
        yield from (0.5, 1.0, 2.0, 4.0)
        while True:
            yield 8.0


async def run(store: Store, namespaces: tuple[str, ...], stopped: asyncio.Event) -> None:
    """Fill the store until stopped. ``namespaces`` empty means all."""
    while not stopped.is_set():
        try:
            await kopf.operator(
                registry=_registry(store),
                settings=_settings(),
                standalone=True,
                clusterwide=not namespaces,
                namespaces=namespaces,
                stop_flag=stopped,
            )
            stopped.set()  # it returns only when a signal came: kopf handles those itself
        except Exception as error:
            _log.warning("the watch of resources ended, it starts again: %s: %s", type(error).__name__, error)
        if not stopped.is_set():
            await asyncio.sleep(RESTART_SECONDS)


def _registry(store: Store) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_kubeconfig(**kwargs) or kopf.login_with_service_account(**kwargs)

    for resource in (BACKENDS, POLICIES):
        _listen(registry, store, resource)
    return registry


def _listen(registry: kopf.OperatorRegistry, store: Store, resource: Resource) -> None:
    group, _, version = resource.api_version.partition("/")

    @kopf.on.event(group, version, resource.plural, registry=registry, id=resource.plural)
    def noted(event: Any, **_: Any) -> None:
        # An event of the first list has no type.
        store.changed(resource, event["type"] or "ADDED", dict(event["object"]))


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.networking.error_backoffs = _Endless()
    settings.watching.server_timeout = SERVER_SECONDS
    settings.watching.client_timeout = SERVER_SECONDS + CONNECT_SECONDS
    settings.watching.connect_timeout = CONNECT_SECONDS
    return settings
