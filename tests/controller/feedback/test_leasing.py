"""Leases of limits over all routers of a namespace: together never more than the limit."""

from collections.abc import Mapping

from signalbox.control.hub import Hub
from signalbox.control.messages import Applied, Lease, Leases, Report, Traffic, to_router
from signalbox.control.peers import Peer, Router
from signalbox.controller.feedback.leasing import LOST_SECONDS, Leasing
from signalbox.feedback.leases import MINUTE, SETTLING
from signalbox.routing.config import Backend, Limits, RouterConfig

LIMIT = 100


class World:
    """Pods that apply what they are told at once."""

    def __init__(self) -> None:
        self.now = 0.0
        self.hub = Hub(lambda: self.now)
        self.leasing = Leasing(self.hub, lambda: self.now)
        self.applied: dict[Peer, int] = {}
        self.started: dict[Peer, int] = {}

    def config(self, name: str = "one", limit: int | None = LIMIT) -> RouterConfig:
        backend = Backend(name="a", model="m", authority="", limits=Limits(requests_per_minute=limit))
        self.hub.channel(Router("team", name))
        return RouterConfig(format_version=1, name=name, policies=(), backends=(backend,))

    def pod(self, name: str, router: str = "one", applied: int = LIMIT // 2) -> Peer:
        peer = Peer(Router("team", router), name, f"uid-{name}", 0.0)
        self.applied[peer], self.started[peer] = applied, 0
        return peer

    def told(self, peer: Peer) -> int | None:
        found = self.hub.channel(peer.router).leases.get(peer.uid)
        if found is None:
            return None
        (message,) = to_router().feed(found)
        assert isinstance(message, Leases)
        return message.backends["a"].requests_per_minute

    def go(self, seconds: int, rates: Mapping[Peer, int]) -> None:
        for _ in range(seconds):
            self.now += 1.0
            for peer, rate in rates.items():
                self.started[peer] += rate
                lease = Lease(requests_per_minute=self.applied[peer])
                traffic = Traffic(known=1, usable=1, started=self.started[peer])
                applied = {"a": Applied(lease=lease, most=lease)}
                self.leasing.heard(peer, Report(backends={"a": traffic}, leases=applied))
            self.leasing.divide()
            for peer in rates:
                self.applied[peer] = self.told(peer) or self.applied[peer]
            assert sum(self.applied.values()) <= LIMIT


def test_who_has_more_to_do_gets_more() -> None:
    world = World()
    world.leasing.use("team", [world.config("one"), world.config("two")])
    busy, idle = world.pod("busy"), world.pod("idle", "two")
    world.go(int(SETTLING + 2 * MINUTE), {busy: 10, idle: 0})
    assert world.applied[busy] > 80
    assert world.applied[idle] >= 1


def test_the_part_of_one_that_has_ended_is_free_after_a_minute() -> None:
    world = World()
    world.leasing.use("team", [world.config()])
    one, two = world.pod("one"), world.pod("two")
    world.go(int(SETTLING) + 5, {one: 5, two: 5})
    part = world.applied[one]
    world.go(60, {one: 5})  # the other one is only cut off: nobody knows that it has ended
    assert world.applied[one] <= part + 1
    world.leasing.ended(two.uid)
    del world.applied[two]
    world.go(int(MINUTE) + 10, {one: 5})
    assert world.applied[one] == LIMIT
    assert world.told(two) is None


def test_what_nobody_claims_of_a_new_limit_is_free_at_once_and_of_an_inherited_one_after_a_minute() -> None:
    """However long after the beginning of a leader that is."""
    for inherited, known, quick in ((["team"], False, False), (["team"], True, True), (["other"], False, True)):
        world = World()
        world.leasing.inherit(inherited)
        world.leasing.divide()
        if known:
            world.leasing.use("team", [world.config(limit=None)])
        world.now += 100.0
        world.leasing.use("team", [world.config()])
        one = world.pod("one", applied=LIMIT // 20)
        world.go(int(SETTLING) + 5, {one: 5})
        assert (world.applied[one] == LIMIT) is quick
        world.go(int(MINUTE), {one: 5})
        assert world.applied[one] == LIMIT


def test_where_no_limit_is_left_nothing_is_leased() -> None:
    world = World()
    world.leasing.use("team", [world.config()])
    one = world.pod("one")
    world.go(int(SETTLING) + 2, {one: 5})
    assert world.told(one) is not None
    world.leasing.use("team", [world.config(limit=None)])
    world.leasing.heard(one, Report(backends={"a": Traffic()}, leases={"a": Applied(lease=Lease(), most=Lease())}))
    world.leasing.divide()
    assert not world.leasing._use and not world.leasing._divisions


def test_one_that_is_silent_for_ever_is_forgotten() -> None:
    world = World()
    world.leasing.use("team", [world.config()])
    one, two = world.pod("one"), world.pod("two")
    world.go(2, {one: 5, two: 5})
    world.now += LOST_SECONDS
    world.go(1, {one: 5})
    assert world.told(two) is None
