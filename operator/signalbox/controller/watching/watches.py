"""Everything that is watched beside kopf's two kinds, and the lists that keep kopf honest."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from signalbox.controller.watching.departures import Departures
from signalbox.controller.watching.listings import Listing, Listings
from signalbox.controller.watching.store import Store
from signalbox.kube.client import Client
from signalbox.kube.errors import ApiError
from signalbox.kube.resources import (
    BACKENDS,
    CHILDREN,
    CONFIG_MAPS,
    ENDPOINT_SLICES,
    PODS,
    POLICIES,
    SECRETS,
    SERVICES,
    Resource,
)
from signalbox.kube.watch import DEFAULT, Sink, follow
from signalbox.plan.sidecars.injection import INJECT
from signalbox.signals.forever import for_ever

SWEEP_SECONDS = 60.0
# Each may hang for as long as a request may take, and all others share the connections.
SWEEPS_AT_ONCE = 8
SWEEP_AGAIN_SECONDS = 2.0  # before the first list, nothing can be done
LOOK_SECONDS = 0.02
SAY_SECONDS = 10.0
NO_HELM_RELEASES = "type!=helm.sh/release.v1"
# A pod that was evicted stays as an object, maybe for days: whoever leaves the selection is told as deleted.
NOT_ENDED = "status.phase!=Succeeded,status.phase!=Failed"
CHILD_SELECTOR = "app.kubernetes.io/managed-by=signalbox,app.kubernetes.io/component=router"

_OURS = (BACKENDS, POLICIES)

_log = logging.getLogger(__name__)


class Watches:
    """``store`` gets what users wrote, ``children`` what we did; ``namespaces`` empty means all. ``pod_gone`` is told
    the uid of each router's pod that goes."""

    def __init__(
        self,
        client: Client,
        store: Store,
        children: Store,
        listings: Listings,
        namespaces: tuple[str, ...],
        pod_gone: Callable[[str], None] = lambda _uid: None,
    ) -> None:
        self._client, self._store, self._children, self._listings = client, store, children, listings
        self._routers = Departures(pod_gone)
        self._scopes: tuple[str | None, ...] = namespaces or (None,)
        self._sweep_now = asyncio.Event()
        self._swept = [listings.expect(resource, scope, SWEEP_SECONDS) for resource in _OURS for scope in self._scopes]

    def sweep(self) -> None:
        """List kopf's kinds now: it has been away."""
        self._sweep_now.set()

    def start(self) -> list[asyncio.Task[None]]:
        """Watch until the tasks are cancelled."""
        tasks = [asyncio.create_task(for_ever("listing", self.sweeping))]
        for scope in self._scopes:
            tasks += [self._follow(self._store, resource, scope) for resource in (SERVICES, ENDPOINT_SLICES)]
            # Of users' Secrets and ConfigMaps only the metadata, and of Helm's own Secrets not even that.
            secrets = {"metadata_only": True, "fieldSelector": NO_HELM_RELEASES}
            tasks.append(self._follow(self._store, SECRETS, scope, **secrets))
            tasks.append(self._follow(self._store, CONFIG_MAPS, scope, metadata_only=True))
            tasks.append(self._follow(self._store, PODS, scope, labelSelector=INJECT))
            routers = {"metadata_only": True, "labelSelector": CHILD_SELECTOR, "fieldSelector": NOT_ENDED}
            tasks.append(self._follow(self._routers, PODS, scope, **routers))
            tasks += [
                self._follow(self._children, resource, scope, labelSelector=CHILD_SELECTOR) for resource in CHILDREN
            ]
        return tasks

    async def listed(self) -> None:
        """Wait until everything has been listed."""
        waited = 0.0
        while True:
            missing = self._listings.missing(own=False)
            if not missing:
                return
            if waited >= SAY_SECONDS:
                _log.warning("nothing is done before everything is listed: %s", "; ".join(missing))
                waited = 0.0
            waited += LOOK_SECONDS
            await asyncio.sleep(LOOK_SECONDS)

    def _follow(self, sink: Sink, resource: Resource, scope: str | None, **options: Any) -> asyncio.Task[None]:
        progress = self._listings.expect(resource, scope, DEFAULT.relist + DEFAULT.watch)

        def work() -> Awaitable[None]:
            return follow(self._client, resource, scope, sink, progress=progress, **options)

        return asyncio.create_task(for_ever(f"watching {resource.plural}", work))

    async def sweeping(self) -> None:
        """List what kopf watches: it never tells what was deleted while it had lost the thread."""
        limit = asyncio.Semaphore(SWEEPS_AT_ONCE)
        while True:
            self._sweep_now.clear()
            async with asyncio.TaskGroup() as group:
                lists = [group.create_task(self._list(progress, limit)) for progress in self._swept]
            complete = all(each.result() for each in lists)
            with suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_SECONDS if complete else SWEEP_AGAIN_SECONDS):
                    await self._sweep_now.wait()

    async def _list(self, progress: Listing, limit: asyncio.Semaphore) -> bool:
        """Whether it could be listed."""
        async with limit:
            for each in self._swept:
                each.tried()  # to wait for one's turn is not to hang
            resource, scope = progress.resource, progress.namespace
            try:
                objects, version = await self._client.list(resource, scope)
            except ApiError as error:
                progress.refused(error)
                _log.warning("cannot list %s: %s", resource.plural, error)
                return False
            self._store.replaced(resource, scope, objects, version)
            progress.listed()
            return True
