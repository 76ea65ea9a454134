"""kopf as the source of events, and nothing else: what it sees is handed on.

Only ``on.event`` is used: all other handlers write annotations or finalizers into users' resources.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import kopf

from signalbox.kube.client import Object
from signalbox.kube.resources import BACKENDS, POLICIES, Resource

SERVER_SECONDS = 300  # the API server takes whole seconds only
CONNECT_SECONDS = 10

# A kind, the type of the event, and the object.
Notice = Callable[[Resource, str, Object], None]


class _Endless:
    """Back-offs without an end: giving up would end the whole operator."""

    def __iter__(self) -> Iterator[float]:
        yield from (0.5, 1.0, 2.0, 4.0)
        while True:
            yield 8.0


async def watch(notice: Notice, namespaces: tuple[str, ...], stop: asyncio.Event) -> None:
    """Hand events on until stopped, or until kopf ends, as it does on some errors of the API server.

    ``namespaces`` empty means all.
    """
    await kopf.operator(
        registry=_registry(notice),
        settings=_settings(),
        standalone=True,
        clusterwide=not namespaces,
        namespaces=namespaces,
        stop_flag=stop,
    )


def _registry(notice: Notice) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_kubeconfig(**kwargs) or kopf.login_with_service_account(**kwargs)

    for resource in (BACKENDS, POLICIES):
        _listen(registry, notice, resource)
    return registry


def _listen(registry: kopf.OperatorRegistry, notice: Notice, resource: Resource) -> None:
    group, _, version = resource.api_version.partition("/")

    @kopf.on.event(group, version, resource.plural, registry=registry, id=resource.plural)
    def noted(event: Any, **_: Any) -> None:
        # An event of the first list has no type.
        notice(resource, event["type"] or "ADDED", dict(event["object"]))


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.networking.error_backoffs = _Endless()
    settings.watching.server_timeout = SERVER_SECONDS
    settings.watching.client_timeout = SERVER_SECONDS + CONNECT_SECONDS
    settings.watching.connect_timeout = CONNECT_SECONDS
    return settings
