"""The operator as a whole: watches fill the store, changes fill the queue, the leader reconciles."""

import asyncio
import logging
import os
import ssl
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlsplit

from aiohttp import web

from signalbox.control.hub import Hub
from signalbox.controller.applying.apply import is_ours
from signalbox.controller.feedback.loops import Loops
from signalbox.controller.own.apart import apart
from signalbox.controller.reconciling.beginning import begin
from signalbox.controller.reconciling.pods import has_ended, same_pod
from signalbox.controller.reconciling.queue import Queue
from signalbox.controller.reconciling.reconcile import Reconciler
from signalbox.controller.reconciling.recorder import CONTROLLER, Recorder
from signalbox.controller.reconciling.said import Heard
from signalbox.controller.serving import webhook
from signalbox.controller.serving.admittance import Admittance
from signalbox.controller.serving.admittance import application as metrics_of
from signalbox.controller.serving.listen import Bounds, listen
from signalbox.controller.serving.metrics import Metrics
from signalbox.controller.serving.probes import Health, Lag
from signalbox.controller.serving.probes import application as probes_of
from signalbox.controller.serving.stream import Stream, StreamOptions
from signalbox.controller.watching.listings import Listings
from signalbox.controller.watching.slim import brief, slim
from signalbox.controller.watching.store import Store
from signalbox.controller.watching.supervisor import Supervisor
from signalbox.controller.watching.watches import Watches
from signalbox.kube.access import Access
from signalbox.kube.client import CONNECTIONS, Client, Object
from signalbox.kube.errors import ApiError
from signalbox.kube.lease import Lease, LeaseLost
from signalbox.kube.resources import BACKENDS, CHILDREN, LEASES, PODS, POLICIES, Resource
from signalbox.plan.children import OperatorSettings
from signalbox.plan.services import is_ip
from signalbox.routing.address_rules import AddressRules, Network, parse_networks
from signalbox.routing.config import Address
from signalbox.signals.page.server import Page, Who

# A burst of events of one namespace is one reconcile.
SETTLE_SECONDS = 0.02
# Namespaces that are reconciled at the same time; the API server's share of it has limits of its own.
WORKERS = 8
# What is being reconciled at the end has this long: with the successor's look at the Lease, less than two seconds.
FINISH_SECONDS = 0.4
# Connections to the API server for the Lease, and for what anybody who opens a port can make us ask: nothing else waits
# for these, nor these for anything else.
LEASE_CONNECTIONS = 2
ASKED_CONNECTIONS = 24
# Every replica reads the Lease every two seconds, and one attempt may take so long.
LEASE_SECONDS = 30.0
LEASE_VERBS = ("get", "create", "update")
# A browser has a handful of connections.
PAGE_BOUNDS = Bounds(most=200, each=200)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Election:
    """Which Lease says who acts, and who we are."""

    namespace: str
    name: str
    identity: str


@dataclass(frozen=True)
class Listening:
    """Where it listens; None is nowhere. Without ``stream`` routers hear from mounted files only, and there is no
    certificate: nor are there metrics then."""

    probes: Address | None = None
    page: Address | None = None
    metrics: Address | None = None
    stream: StreamOptions | None = None


class Operator:
    """See the module. ``namespaces`` empty means all of the cluster; without an ``election``, this is the only one."""

    def __init__(
        self,
        settings: OperatorSettings,
        namespaces: Sequence[str] = (),
        election: Election | None = None,
        listening: Listening | None = None,
    ) -> None:
        self.metrics = Metrics()
        self._listening = listening or Listening()
        self._leads = False
        self._lease: Lease | None = None
        self._stream: Stream | None = None
        self._namespaces = tuple(namespaces)
        self._settings = settings
        self._election = election
        self._stopped = asyncio.Event()
        self._queue = Queue(asyncio.get_running_loop().time)
        self._store = Store(self._noticed, slim)
        self._reconciler: Reconciler | None = None
        self._loops: Loops | None = None
        self._said = Heard(self._says)
        self._children = Store(self._child_noticed, brief=lambda kind, obj: brief(kind, obj) if is_ours(obj) else None)
        self._busy: set[asyncio.Task[None]] = set()
        self._new: set[str] = set()

    def stop(self) -> None:
        """End ``run``."""
        self._stopped.set()

    async def run(self) -> None:
        """Work until stopped. Raises ``NoAccess``, ``LeaseLost`` when another one may act now, and ``OSError`` where it
        cannot listen."""
        async with AsyncExitStack() as ending:
            await self._run(Access(), ending)

    async def _run(self, access: Access, ending: AsyncExitStack) -> None:
        client, asked, elected = (
            Client(access, self.metrics.requested, most) for most in (CONNECTIONS, ASKED_CONNECTIONS, LEASE_CONNECTIONS)
        )
        for each in (client, asked, elected):
            ending.push_async_callback(each.close)
        listings, lag = Listings(), Lag()
        recorder = Recorder(client, self._election.identity if self._election is not None else CONTROLLER)
        if (options := self._listening.stream) is not None:
            image = self._settings.image
            posts = {webhook.PATH: webhook.Webhook(self._store, self._settings_now).handle}
            changed = self._queue.add, self._add_all
            self._stream = Stream(client, asked, self._children, image, options, posts, *changed, listings)
            ending.push_async_callback(self._stream.close)
            await self._stream.start()
        rules = AddressRules(parse_networks(self._settings.allow_cidrs), _reserved(access, os.environ))
        control = self._stream.control if self._stream is not None else None
        hub = control.hub if control is not None else Hub(time.monotonic)
        self._loops = loops = Loops(rules, hub, time.monotonic, self._said.stepped, self._said.forget)
        self.metrics.steer(loops.families)
        if control is not None:
            control.heard = loops.heard
        self._reconciler = Reconciler(
            client,
            self._store,
            self._children,
            self._settings_now,
            rules,
            recorder,
            lambda: datetime.now(UTC),
            control,
            options.services if options is not None else (),
            said=self._said.of,
            loops=loops,
            changed=self._says,
        )
        at = self._listening
        if self._stream is not None:
            readable = metrics_of(Admittance(asked), self.metrics.text)
            await self._listen(ending, readable, at.metrics, "--metrics", self._stream.tls.context)
        self.metrics.observe(self._queue, listings, lambda: self._leads, self._expires)
        watches = Watches(client, self._store, self._children, listings, self._namespaces, self._pod_gone)
        kopf = Supervisor(self._store.changed, self._namespaces, watches.sweep)
        kopf.start()
        ending.push_async_callback(kopf.stop)
        background = [*watches.start(), asyncio.create_task(recorder.run()), asyncio.create_task(lag.run())]
        ending.push_async_callback(_ended, background)
        await self._listen(ending, probes_of(Health(listings, self._queue, lag)), at.probes, "--probes")
        page = Page(lambda: self._loops.boards if self._loops is not None else {}, self._who)
        await self._listen(ending, page.application(), at.page, "--page", bounds=PAGE_BOUNDS)
        leading = asyncio.create_task(self._lead(access, elected, watches, listings))
        stopping = asyncio.create_task(self._until_stopped())
        ending.push_async_callback(_ended, [leading, stopping])
        await asyncio.wait({leading, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if leading.done():
            leading.result()

    @staticmethod
    async def _listen(
        ending: AsyncExitStack,
        application: web.Application,
        at: Address | None,
        option: str,
        context: ssl.SSLContext | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        ending.push_async_callback((await listen(application, at, option, context, bounds)).cleanup)

    def _who(self) -> Who:
        """For the page: of several replicas only the leader knows weights."""
        if self._lease is None:
            return Who(kind="operator", leads=self._leads)
        name, leader = (_pod(identity) for identity in (self._lease.identity, self._lease.holder))
        return Who(kind="operator", name=name, leads=self._leads, leader=leader)

    def _expires(self) -> float | None:
        return self._stream.tls.expires if self._stream is not None else None

    async def _until_stopped(self) -> None:
        await self._stopped.wait()

    async def _keep(self, lease: Lease, access: Access) -> None:
        """Beside the work: what there is to do after a start in a large cluster takes longer than a Lease may wait."""
        client = Client(access, self.metrics.requested, LEASE_CONNECTIONS)
        try:
            with lease.through(client):
                await lease.keep()
        finally:
            await client.close()

    async def _lead(self, access: Access, client: Client, watches: Watches, listings: Listings) -> None:
        """Reconcile as long as we are the leader."""
        lease, election = None, self._election
        if election is not None:
            owners = self._stream.owner.references if self._stream is not None else None
            progress = listings.expect(LEASES, election.namespace, LEASE_SECONDS, election.name, LEASE_VERBS)
            names = election.namespace, election.name, election.identity
            lease = self._lease = Lease(client, *names, owners=owners, progress=progress)
            await lease.acquire()
        self._leads = True
        work = [asyncio.create_task(self._start_work(watches))]
        finish = FINISH_SECONDS
        try:
            if lease is not None:
                work.append(asyncio.create_task(apart(partial(self._keep, lease, access))))
            if self._stream is not None:
                work += self._stream.lead()
            if self._loops is not None:
                work.append(asyncio.create_task(self._loops.lead()))
            assert self._reconciler is not None
            work.append(asyncio.create_task(self._reconciler.lessons.run()))
            await asyncio.gather(*work)
        except LeaseLost:
            finish = 0.0  # not one write more
            raise
        finally:
            self._leads = False
            await self._finish(work, finish)
            if lease is not None:
                await lease.release()

    async def _start_work(self, watches: Watches) -> None:
        """Not before everything has been listed: what is not known yet would count as missing."""
        await watches.listed()
        if self._stream is not None:
            await self._stream.tls.ready.wait()  # children name the authority
        assert self._reconciler is not None
        if self._loops is not None:
            self._loops.inherit(self._children.namespaces(CHILDREN))
        self._new = {
            obj["metadata"]["namespace"]
            for namespace in self._store.namespaces((POLICIES,))
            for obj in self._store.of(POLICIES, namespace)
            if not (obj.get("status") or {}).get("conditions")
        }
        first = begin(self._all(), set(self._new), self._reconciler.welcome, self._begun)
        await asyncio.gather(first, *(self._work() for _ in range(WORKERS)))

    def _begun(self, namespace: str) -> None:
        self._new.discard(namespace)
        self._queue.add(namespace)

    def _all(self) -> set[str]:
        """The namespaces that we have anything to do with."""
        return self._store.namespaces((POLICIES, BACKENDS)) | self._children.namespaces(CHILDREN)

    def _add_all(self) -> None:
        for namespace in self._all():
            self._queue.add(namespace)

    def _settings_now(self) -> OperatorSettings:
        """The authorities that routers are to trust change now and then."""
        return self._settings if self._stream is None else self._stream.settings(self._settings)

    async def _work(self) -> None:
        while True:
            namespace = await self._queue.take()
            if namespace in self._new:
                self._queue.done(namespace)  # it is added again
                continue
            task = asyncio.create_task(self._reconcile(namespace))
            self._busy.add(task)
            task.add_done_callback(self._busy.discard)
            await asyncio.shield(task)

    async def _reconcile(self, namespace: str) -> None:
        assert self._reconciler is not None
        began = time.monotonic()
        failed: Exception | None = None
        try:
            again = await self._reconciler.reconcile(namespace)
        except ApiError as error:
            failed = error
            delay = self._queue.failed(namespace, error.retry_after)
            _log.warning("namespace %s: %s; again in %.1f s", namespace, error, delay, extra={"namespace": namespace})
        except Exception as error:
            failed = error
            delay = self._queue.failed(namespace)
            _log.exception("namespace %s: a defect; again in %.1f s", namespace, delay, extra={"namespace": namespace})
        else:
            _log.debug("namespace %s: reconciled", namespace, extra={"namespace": namespace})
            self._queue.done(namespace)
            if again is not None:
                self._queue.add(namespace, again)
        self.metrics.reconciled(time.monotonic() - began, failed)

    async def _finish(self, work: Iterable[asyncio.Task[None]], seconds: float) -> None:
        """Begin nothing more, and give what has begun so many seconds."""
        await _ended(work)
        if self._busy and seconds:
            await asyncio.wait(self._busy, timeout=seconds)
        await _ended(list(self._busy))

    def _noticed(self, resource: Resource, before: Object | None, after: Object | None) -> None:
        """Most objects of a cluster are none of our business, also where we have some."""
        if resource is PODS and before is not None and has_ended(before, after):
            self._pod_gone(before["metadata"]["uid"])
        if resource is PODS and before is not None and after is not None and same_pod(before, after):
            return  # its containers have come and gone, its readiness has changed, …
        known = self._reconciler
        if known is None or any(known.decider.concerns(resource, obj) for obj in (before, after) if obj is not None):
            self._child_noticed(resource, before, after)

    def _pod_gone(self, uid: str) -> None:
        """Its token is good for a while yet; whoever holds it is no router any more."""
        if self._stream is not None:
            self._stream.control.look_again(uid)
        if self._loops is not None:
            self._loops.ended(uid)

    def _says(self, namespace: str) -> None:
        if self._leads:
            self._queue.add(namespace, SETTLE_SECONDS)

    def _child_noticed(self, _: Resource, before: Object | None, after: Object | None) -> None:
        """Most namespaces are none of our business, and none is as long as another one leads."""
        if not self._leads:
            return
        namespace = (after or before or {})["metadata"]["namespace"]
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


def _pod(identity: str) -> str:
    """The host of who takes part in the election."""
    return identity.rpartition("_")[0] or identity


def _reserved(access: Access, environment: Mapping[str, str]) -> tuple[Network, ...]:
    """The API server's address as pods see it, as we see it, and our own."""
    hosts = [environment.get("KUBERNETES_SERVICE_HOST"), environment.get("POD_IP"), urlsplit(access.server).hostname]
    return parse_networks(host for host in hosts if host and is_ip(host))
