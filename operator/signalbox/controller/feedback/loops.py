"""The loops of all namespaces: fed by what is planned and by what routers report, heard by routers over the stream."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping

import msgspec

from signalbox.control.hub import Hub
from signalbox.control.messages import MAX_MESSAGE_BYTES, Report, line
from signalbox.control.peers import Peer, Router
from signalbox.feedback.plan import Plan, Scrape
from signalbox.plan.feedback import Followed
from signalbox.routing.address_rules import AddressRules
from signalbox.signals.board import Board
from signalbox.signals.history import Room
from signalbox.signals.loop import SETTLE_SECONDS, Loop, Step
from signalbox.signals.message import Steering
from signalbox.signals.scraper import Part, Scraper

DEFECT_SECONDS = 5.0

_log = logging.getLogger(__name__)


class _Namespace:
    """One loop at work, and who is to hear of it: policies by router, and people. ``authorities`` are PEM by secret
    entry."""

    def __init__(self, source: Part, loop: Loop, task: asyncio.Task[None], board: Board) -> None:
        self.source, self.loop, self.task, self.board = source, loop, task, board
        self.plan = Plan()
        self.routers: Mapping[str, Collection[str]] = {}
        self.authorities: Mapping[str, bytes] = {}


class Loops:
    """``use`` may be called at any time; engines are asked between the beginning and the end of ``lead``, which ends
    all loops. ``rules`` are those for addresses; ``stepped`` is called with a namespace after each step."""

    def __init__(
        self, rules: AddressRules, hub: Hub, clock: Callable[[], float], stepped: Callable[[str], None] = lambda _: None
    ) -> None:
        self._hub, self._clock, self._stepped = hub, clock, stepped
        self._scraper = Scraper(rules, clock, self._authority)
        self._namespaces: dict[str, _Namespace] = {}
        self._room = Room()

    def use(
        self,
        namespace: str,
        followed: Followed,
        authorities: Mapping[str, bytes],
        routers: Mapping[str, Collection[str]],
    ) -> None:
        """A namespace is planned so; ``authorities`` are those that scrapes name, ``routers`` the policies of each.
        One without any router has no loop."""
        if not routers:
            self._end(namespace)
            return
        found = self._namespaces.get(namespace)
        if found is None:
            source = self._scraper.of(namespace)
            loop = Loop(source, self._clock, lambda step: self._publish(namespace, step), SETTLE_SECONDS)
            board = Board(self._clock, room=self._room)
            found = self._namespaces[namespace] = _Namespace(source, loop, asyncio.create_task(loop.run()), board)
        found.plan, found.routers, found.authorities = followed.plan, routers, authorities
        found.loop.use(followed.plan, [_named(namespace, scrape) for scrape in followed.scrapes])

    def loop(self, namespace: str) -> Loop | None:
        """That of a namespace, once there is one."""
        found = self._namespaces.get(namespace)
        return found.loop if found is not None else None

    @property
    def namespaces(self) -> Collection[str]:
        """Those that have loops."""
        return self._namespaces.keys()

    @property
    def boards(self) -> Mapping[str, Board]:
        """What people see, by namespace."""
        return {name: found.board for name, found in self._namespaces.items()}

    def problems(self, namespace: str, backend: str) -> Mapping[str, str]:
        """By endpoint why it could not be read."""
        found = self._namespaces.get(namespace)
        return found.source.problems(backend) if found is not None else {}

    def heard(self, peer: Peer, report: Report) -> None:
        """A pod of a router says how it is."""
        found = self._namespaces.get(peer.router.namespace)
        if found is not None:
            found.loop.report(peer.uid, report.backends, report.weights)
            found.board.report(peer.uid, report.backends, report.sent)

    async def lead(self) -> None:
        """Ask engines, until cancelled."""
        try:
            while True:
                try:
                    await self._scraper.run()
                except Exception:
                    _log.exception("asking engines: a defect; it starts again in %.0f s", DEFECT_SECONDS)
                await asyncio.sleep(DEFECT_SECONDS)
        finally:
            for namespace in list(self._namespaces):
                self._end(namespace)

    def _end(self, namespace: str) -> None:
        ended = self._namespaces.pop(namespace, None)
        if ended is not None:
            ended.task.cancel()
            ended.board.history.close()
            ended.source.follow(())
            for name in ended.routers:
                self._hub.steer(Router(namespace, name), None)

    def _authority(self, scrape: Scrape) -> bytes | None:
        namespace, _, entry = (scrape.ca or "").partition("/")
        found = self._namespaces.get(namespace)
        return found.authorities.get(entry) if found is not None else None

    def _publish(self, namespace: str, step: Step) -> None:
        found = self._namespaces[namespace]
        for name, policies in found.routers.items():
            router, steering = Router(namespace, name), step.steering
            self._hub.steer(router, _line(router, steering, policies, self._clock))
        problems = {name: found.source.problems(name) for name in found.plan.backends}
        found.board.show(step.outcome, found.plan, problems)
        self._stepped(namespace)


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
