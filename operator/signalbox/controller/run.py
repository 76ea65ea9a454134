"""The operator as a whole: watches fill the store, changes fill the queue, the leader reconciles."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from signalbox.controller.queue import Queue
from signalbox.controller.reconcile import Reconciler
from signalbox.controller.store import Store
from signalbox.controller.supervisor import Supervisor
from signalbox.controller.watches import Watches
from signalbox.kube.access import Access
from signalbox.kube.client import Client
from signalbox.kube.errors import ApiError
from signalbox.kube.lease import Lease, LeaseLost
from signalbox.kube.resources import BACKENDS, CHILDREN, POLICIES
from signalbox.plan.children import OperatorSettings

# A burst of events of one namespace is one reconcile.
SETTLE_SECONDS = 0.02
WORKERS = 4
# Routers that wait for their turn to be upgraded ask again after this time.
TURN_SECONDS = 5.0
FINISH_SECONDS = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Election:
    """Which Lease says who acts, and who we are."""

    namespace: str
    name: str
    identity: str


class Operator:
    """See the module. ``namespaces`` empty means all of the cluster; without an ``election``, this is the only one."""

    def __init__(
        self, settings: OperatorSettings, namespaces: Sequence[str] = (), election: Election | None = None
    ) -> None:
        self._namespaces = tuple(namespaces)
        self._settings = settings
        self._election = election
        self._stopped = asyncio.Event()
        self._queue = Queue(asyncio.get_running_loop().time)
        self._store = Store(self._noticed)
        self._children = Store(self._noticed)
        self._busy: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """End ``run``."""
        self._stopped.set()

    async def run(self) -> None:
        """Work until stopped. Raises ``NoAccess``, and ``LeaseLost`` when another one may act now."""
        client = Client(Access())
        self._reconciler = Reconciler(client, self._store, self._children, self._settings, lambda: datetime.now(UTC))
        watches = Watches(client, self._store, self._children, self._namespaces)
        kopf = Supervisor(self._store.changed, self._namespaces)
        kopf.start()
        watching = watches.start()
        leading = asyncio.create_task(self._lead(client, watches))
        stopping = asyncio.create_task(self._until_stopped())
        try:
            await asyncio.wait({leading, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if leading.done():
                leading.result()
        finally:
            await _ended([leading, stopping, *watching])
            await kopf.stop()
            await client.close()

    async def _until_stopped(self) -> None:
        await self._stopped.wait()

    async def _lead(self, client: Client, watches: Watches) -> None:
        """Reconcile as long as we are the leader."""
        lease = None
        if self._election is not None:
            lease = Lease(client, self._election.namespace, self._election.name, self._election.identity)
            await lease.acquire()
        work = [asyncio.create_task(self._start_work(watches))]
        finish = FINISH_SECONDS
        try:
            if lease is not None:
                work.append(asyncio.create_task(lease.keep()))
            await asyncio.gather(*work)
        except LeaseLost:
            finish = 0.0  # not one write more
            raise
        finally:
            await self._finish(work, finish)
            if lease is not None:
                await lease.release()

    async def _start_work(self, watches: Watches) -> None:
        """Not before everything has been listed: what is not known yet would count as missing."""
        await watches.listed()
        for namespace in self._store.namespaces((POLICIES, BACKENDS)) | self._children.namespaces(CHILDREN):
            self._queue.add(namespace)
        await asyncio.gather(*(self._work() for _ in range(WORKERS)))

    async def _work(self) -> None:
        while True:
            namespace = await self._queue.take()
            task = asyncio.create_task(self._reconcile(namespace))
            self._busy.add(task)
            task.add_done_callback(self._busy.discard)
            await asyncio.shield(task)

    async def _reconcile(self, namespace: str) -> None:
        try:
            waiting = await self._reconciler.reconcile(namespace)
        except ApiError as error:
            delay = self._queue.failed(namespace, error.retry_after)
            _log.warning("namespace %s: %s; again in %.1f s", namespace, error, delay)
        except Exception:
            delay = self._queue.failed(namespace)
            _log.exception("namespace %s: a defect; again in %.1f s", namespace, delay)
        else:
            self._queue.done(namespace)
            if waiting:
                self._queue.add(namespace, TURN_SECONDS)

    async def _finish(self, work: Iterable[asyncio.Task[None]], seconds: float) -> None:
        """Begin nothing more, and give what has begun so many seconds."""
        await _ended(work)
        if self._busy and seconds:
            await asyncio.wait(self._busy, timeout=seconds)
        await _ended(list(self._busy))

    def _noticed(self, namespace: str) -> None:
        """Most namespaces of a cluster are none of our business."""
        if any(
            store.any(resource, namespace)
            for store, resources in ((self._store, (POLICIES, BACKENDS)), (self._children, CHILDREN))
            for resource in resources
        ):
            self._queue.add(namespace, SETTLE_SECONDS)


async def _ended(tasks: Iterable[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
