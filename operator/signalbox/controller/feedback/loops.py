"""The loops of all namespaces: fed by what is planned and by what routers report, heard by routers over the stream."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from functools import partial

import msgspec

from signalbox.control.hub import Hub
from signalbox.control.messages import MAX_MESSAGE_BYTES, Report, line
from signalbox.control.peers import Peer, Router
from signalbox.controller.feedback.leasing import Leasing
from signalbox.feedback.plan import Scrape
from signalbox.plan.feedback import Followed
from signalbox.routing.address_rules import AddressRules
from signalbox.routing.config import RouterConfig
from signalbox.signals.board import Board
from signalbox.signals.forever import for_ever
from signalbox.signals.history import Room
from signalbox.signals.loop import SETTLE_SECONDS, Step
from signalbox.signals.message import Steering
from signalbox.signals.scraper import Part, Scraper
from signalbox.signals.space import Space
from signalbox.signals.telemetry import LoopFamilies, Seen, Work

LEASE_SECONDS = 1.0
# Pods that have ended lately: of one, a report may still be on its way.
MOST_ENDED = 1000

_log = logging.getLogger(__name__)


class _Namespace:
    """One loop at work, and who is to hear of it: policies by router, and people. ``authorities`` are PEM by secret
    entry."""

    def __init__(self, source: Part, space: Space) -> None:
        self.source, self.space = source, space
        self.task = asyncio.create_task(space.loop.run())
        self.routers: Mapping[str, Collection[str]] = {}
        self.authorities: Mapping[str, bytes] = {}


class Loops:
    """``use`` may be called at any time; engines are asked between the beginning and the end of ``lead``, which ends
    all loops. ``rules`` are those for addresses; ``stepped`` is called after each step, and waited for; ``stopped``
    with a namespace when its loop has ended."""

    def __init__(
        self,
        rules: AddressRules,
        hub: Hub,
        clock: Callable[[], float],
        stepped: Callable[[Seen], Awaitable[None]] | None = None,
        stopped: Callable[[str], None] = lambda namespace: None,
    ) -> None:
        self._hub, self._clock, self._stepped, self._stopped = hub, clock, stepped, stopped
        self._work = Work()
        self._scraper = Scraper(rules, clock, self._authority, self._work.looked)
        self._leasing = Leasing(hub, clock)
        self._namespaces: dict[str, _Namespace] = {}
        self._room = Room()
        self._pods: dict[str, str] = {}
        self._ended: dict[str, None] = {}  # the newest last
        self.families = LoopFamilies(self._seen, self._work, clock)

    def inherit(self, namespaces: Iterable[str]) -> None:
        """These had routers before we lead; before any ``use``."""
        self._leasing.inherit(namespaces)

    def use(
        self, namespace: str, followed: Followed, authorities: Mapping[str, bytes], routers: Collection[RouterConfig]
    ) -> None:
        """A namespace is planned so; ``authorities`` are those that scrapes name. One without any router has no
        loop."""
        self._leasing.use(namespace, routers)
        if not routers:
            self._end(namespace)
            return
        found = self._namespaces.get(namespace)
        if found is None:
            source = self._scraper.of(namespace)
            publish = partial(self._publish, namespace)
            space = Space(
                source, self._clock, publish, self._work, namespace, SETTLE_SECONDS, self._room, self._stepped
            )
            found = self._namespaces[namespace] = _Namespace(source, space)
        found.routers = {router.name: [policy.name for policy in router.policies] for router in routers}
        found.authorities = authorities
        found.space.use(followed.plan, [_named(namespace, scrape) for scrape in followed.scrapes])

    def space(self, namespace: str) -> Space | None:
        """That of a namespace, once there is one."""
        found = self._namespaces.get(namespace)
        return found.space if found is not None else None

    @property
    def namespaces(self) -> Collection[str]:
        """Those that have loops."""
        return self._namespaces.keys()

    @property
    def boards(self) -> Mapping[str, Board]:
        """What people see, by namespace."""
        return {name: each.space.board for name, each in self._namespaces.items()}

    def heard(self, peer: Peer, report: Report) -> None:
        """A pod of a router says how it is."""
        found = self._namespaces.get(peer.router.namespace)
        if found is not None and peer.uid not in self._ended:
            self._pods[peer.uid] = peer.router.namespace
            found.space.report(peer.uid, report.backends, report.weights, report.sent)
            self._leasing.heard(peer, report)

    def ended(self, uid: str) -> None:
        """A pod has ended: whatever it reports from here on came too late."""
        self._ended[uid] = None
        if len(self._ended) > MOST_ENDED:
            del self._ended[next(iter(self._ended))]
        found = self._namespaces.get(self._pods.pop(uid, ""))
        if found is not None:
            found.space.gone(uid)
        self._leasing.ended(uid)

    async def lead(self) -> None:
        """Ask engines and lease limits, until cancelled."""
        parts = {"asking engines": self._scraper.run, "leasing limits": self._lease}
        work = [asyncio.create_task(for_ever(name, part)) for name, part in parts.items()]
        try:
            await asyncio.gather(*work)
        finally:
            for task in work:
                task.cancel()
            for namespace in list(self._namespaces):
                self._end(namespace)
            self._leasing.forget()
            self._pods.clear()
            self._ended.clear()

    async def _lease(self) -> None:
        while True:
            self._leasing.divide()
            await asyncio.sleep(LEASE_SECONDS)

    def _seen(self) -> list[Seen]:
        return [found.space.seen for found in list(self._namespaces.values()) if found.space.seen is not None]

    def _end(self, namespace: str) -> None:
        ended = self._namespaces.pop(namespace, None)
        if ended is not None:
            ended.task.cancel()
            ended.space.board.history.close()
            ended.source.follow(())
            for name in ended.routers:
                self._hub.steer(Router(namespace, name), None)
            self._stopped(namespace)

    def _authority(self, scrape: Scrape) -> bytes | None:
        namespace, _, entry = (scrape.ca or "").partition("/")
        found = self._namespaces.get(namespace)
        return found.authorities.get(entry) if found is not None else None

    def _publish(self, namespace: str, step: Step) -> None:
        found = self._namespaces[namespace]
        for name, policies in found.routers.items():
            router, steering = Router(namespace, name), step.steering
            if not steering.awaited.isdisjoint(policies):
                continue
            self._hub.steer(router, _line(router, steering, policies, self._clock))


def _named(namespace: str, scrape: Scrape) -> Scrape:
    """Entries of different namespaces may have the same name."""
    return scrape if scrape.ca is None else msgspec.structs.replace(scrape, ca=f"{namespace}/{scrape.ca}")


def _line(
    router: Router, steering: Steering, policies: Collection[str], clock: Callable[[], float]
) -> Callable[[], bytes]:
    def make() -> bytes:
        made = line(steering.message(policies, clock()))
        if len(made) < MAX_MESSAGE_BYTES:
            return made
        _log.error("weights of router %s/%s do not fit into a message: it goes by declared shares", *router)
        return b""

    return make
