"""Everything that is watched beside kopf's two kinds, and the lists that keep kopf honest."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from signalbox.controller.store import Store
from signalbox.kube.client import Client
from signalbox.kube.errors import ApiError
from signalbox.kube.resources import (
    BACKENDS,
    CHILDREN,
    CONFIG_MAPS,
    ENDPOINT_SLICES,
    POLICIES,
    SECRETS,
    SERVICES,
    Resource,
)
from signalbox.kube.watch import follow

SWEEP_SECONDS = 60.0
SWEEP_AGAIN_SECONDS = 2.0  # before the first list, nothing can be done
DEFECT_SECONDS = 5.0
LOOK_SECONDS = 0.02
SAY_SECONDS = 10.0
NO_HELM_RELEASES = "type!=helm.sh/release.v1"
CHILD_SELECTOR = "app.kubernetes.io/managed-by=signalbox,app.kubernetes.io/component=router"

_OURS = (BACKENDS, POLICIES)
_USERS = (SERVICES, ENDPOINT_SLICES, SECRETS, CONFIG_MAPS)

_log = logging.getLogger(__name__)


class Watches:
    """``store`` gets what users wrote, ``children`` what we did; ``namespaces`` empty means all."""

    def __init__(self, client: Client, store: Store, children: Store, namespaces: tuple[str, ...]) -> None:
        self._client, self._store, self._children = client, store, children
        self._scopes: tuple[str | None, ...] = namespaces or (None,)

    def start(self) -> list[asyncio.Task[None]]:
        """Watch until the tasks are cancelled."""
        tasks = [asyncio.create_task(_for_ever("sweep", self._sweep))]
        for scope in self._scopes:
            tasks += [self._follow(self._store, resource, scope) for resource in (SERVICES, ENDPOINT_SLICES)]
            # Of users' Secrets and ConfigMaps only the metadata, and of Helm's own Secrets not even that.
            secrets = {"metadata_only": True, "fieldSelector": NO_HELM_RELEASES}
            tasks.append(self._follow(self._store, SECRETS, scope, **secrets))
            tasks.append(self._follow(self._store, CONFIG_MAPS, scope, metadata_only=True))
            tasks += [
                self._follow(self._children, resource, scope, labelSelector=CHILD_SELECTOR) for resource in CHILDREN
            ]
        return tasks

    def unlisted(self) -> list[str]:
        """The kinds that have not been listed yet."""
        wanted = [(self._store, resource) for resource in (*_OURS, *_USERS)]
        wanted += [(self._children, resource) for resource in CHILDREN]
        missing = {
            resource.plural
            for store, resource in wanted
            for scope in self._scopes
            if store.age(resource, scope) is None
        }
        return sorted(missing)

    async def listed(self) -> None:
        """Wait until everything has been listed once."""
        waited = 0.0
        while True:
            missing = self.unlisted()
            if not missing:
                return
            if waited >= SAY_SECONDS:
                _log.warning("nothing is done before everything is listed; missing are: %s", ", ".join(missing))
                waited = 0.0
            waited += LOOK_SECONDS
            await asyncio.sleep(LOOK_SECONDS)

    def _follow(self, store: Store, resource: Resource, scope: str | None, **options: Any) -> asyncio.Task[None]:
        def work() -> Awaitable[None]:
            return follow(self._client, resource, scope, store, **options)

        return asyncio.create_task(_for_ever(resource.plural, work))

    async def _sweep(self) -> None:
        """List what kopf watches: it never tells what was deleted while it had lost the thread."""
        while True:
            complete = True
            for resource in _OURS:
                for scope in self._scopes:
                    try:
                        objects, version = await self._client.list(resource, scope)
                    except ApiError as error:
                        complete = False
                        _log.warning("cannot list %s: %s", resource.plural, error)
                    else:
                        self._store.replaced(resource, scope, objects, version)
            await asyncio.sleep(SWEEP_SECONDS if complete else SWEEP_AGAIN_SECONDS)


async def _for_ever(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """A defect in one watch must neither end it in silence nor end the others."""
    while True:
        try:
            await work()
        except Exception:
            _log.exception("watching %s: a defect; it starts again in %.0f s", name, DEFECT_SECONDS)
        await asyncio.sleep(DEFECT_SECONDS)
