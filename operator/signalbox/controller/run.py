"""The operator as a whole: watches fill the store, changes fill the queue, one loop reconciles."""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any

from signalbox.controller import events
from signalbox.controller.queue import Queue
from signalbox.controller.reconcile import Reconciler
from signalbox.controller.store import Store
from signalbox.kube.access import Access
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
)
from signalbox.kube.watch import follow
from signalbox.plan.children import OperatorSettings

SWEEP_SECONDS = 60.0
REFERENCES = (SERVICES, ENDPOINT_SLICES, SECRETS, CONFIG_MAPS)
# A burst of events of one namespace is one reconcile.
SETTLE_SECONDS = 0.02
NO_HELM_RELEASES = "type!=helm.sh/release.v1"
CHILD_SELECTOR = "app.kubernetes.io/managed-by=signalbox,app.kubernetes.io/component=router"

_log = logging.getLogger(__name__)


class Operator:
    """See the module. ``namespaces`` empty means all of the cluster."""

    def __init__(self, settings: OperatorSettings, namespaces: Sequence[str] = ()) -> None:
        self._namespaces = tuple(namespaces)
        self._settings = settings
        self._stopped = asyncio.Event()
        self._queue = Queue(asyncio.get_running_loop().time)
        self._store = Store(self._noticed)
        self._children = Store(self._noticed)

    def stop(self) -> None:
        """End ``run``."""
        self._stopped.set()

    async def run(self) -> None:
        """Work until stopped.

        Raises ``NoAccess``, and whatever ends a part that must not end: half an operator is none.
        """
        client = Client(Access())
        now = lambda: datetime.now(UTC)  # noqa: E731
        self._reconciler = Reconciler(client, self._store, self._children, self._settings, now)
        tasks = [asyncio.create_task(work) for work in self._watches(client)]
        tasks += [asyncio.create_task(self._sweep(client)), asyncio.create_task(self._work())]
        listening = asyncio.create_task(events.run(self._store, self._namespaces, self._stopped))
        stopping = asyncio.create_task(self._stopped.wait())
        try:
            await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            self._stopped.set()
            for task in tasks:
                task.cancel()
            await asyncio.gather(listening, *tasks, return_exceptions=True)
            await client.close()

    def _noticed(self, namespace: str) -> None:
        """Most namespaces of a cluster are none of our business."""
        if any(
            store.any(resource, namespace)
            for store, resources in ((self._store, (POLICIES, BACKENDS)), (self._children, CHILDREN))
            for resource in resources
        ):
            self._queue.add(namespace, SETTLE_SECONDS)

    def _watches(self, client: Client) -> list[Coroutine[Any, Any, None]]:
        """Users' Secrets and ConfigMaps are seen by their metadata only, and Helm's own Secrets not at all."""
        works = []
        for namespace in self._namespaces or (None,):
            works += [follow(client, resource, namespace, self._store) for resource in (SERVICES, ENDPOINT_SLICES)]
            works += [
                follow(client, SECRETS, namespace, self._store, metadata_only=True, fieldSelector=NO_HELM_RELEASES),
                follow(client, CONFIG_MAPS, namespace, self._store, metadata_only=True),
            ]
            works += [
                follow(client, resource, namespace, self._children, labelSelector=CHILD_SELECTOR)
                for resource in CHILDREN
            ]
        return works

    async def _sweep(self, client: Client) -> None:
        """List what kopf watches: it never tells what was deleted while it had lost the thread."""
        while True:
            for resource in (BACKENDS, POLICIES):
                for namespace in self._namespaces or (None,):
                    try:
                        objects, _ = await client.list(resource, namespace)
                    except ApiError as error:
                        _log.warning("cannot list %s: %s", resource.plural, error)
                    else:
                        self._store.replaced(resource, namespace, objects)
            await asyncio.sleep(SWEEP_SECONDS)

    def _all_listed(self) -> bool:
        """Whether everything was seen once: to whom a policy is still unknown, its children look abandoned."""
        scopes = self._namespaces or (None,)
        users = {(each, scope) for each in (BACKENDS, POLICIES, *REFERENCES) for scope in scopes}
        ours = {(each, scope) for each in CHILDREN for scope in scopes}
        return users <= self._store.listed and ours <= self._children.listed

    async def _work(self) -> None:
        while True:
            if not self._all_listed():
                await asyncio.sleep(SETTLE_SECONDS)
                continue
            namespace = await self._queue.take()
            try:
                await self._reconciler.reconcile(namespace)
            except ApiError as error:
                delay = self._queue.failed(namespace, error.retry_after)
                _log.warning("namespace %s: %s; again in %.1f s", namespace, error, delay)
            except Exception:
                delay = self._queue.failed(namespace)
                _log.exception("namespace %s: a defect; again in %.1f s", namespace, delay)
            else:
                self._queue.done(namespace)
