"""What every router is to be told."""

import asyncio

from signalbox.control.hub import REVOKED_SECONDS, Hub
from signalbox.control.messages import Revoked, to_router
from signalbox.control.peers import Router

ROUTER, OTHER = Router("team", "a"), Router("team", "b")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def revoked(hub: Hub) -> tuple[str, ...]:
    (message,) = to_router().feed(hub.channel(ROUTER).revoked)
    assert isinstance(message, Revoked)
    return message.digests


async def test_only_news_wakes() -> None:
    hub = Hub(Clock())
    waiting = hub.channel(ROUTER).changed
    hub.publish(ROUTER, "1", b"{}", [], [])
    assert waiting.is_set()
    waiting = hub.channel(ROUTER).changed
    hub.publish(ROUTER, "1", b"{}", [], ["x"])
    hub.publish(OTHER, "1", b"{}", ["y"], [])
    assert not waiting.is_set()
    assert isinstance(waiting, asyncio.Event)


async def test_the_revoked_are_told_for_a_while_unless_they_are_back() -> None:
    clock = Clock()
    hub = Hub(clock)
    hub.publish(ROUTER, "1", b"{}", ["a", "b"], ["c"])
    assert revoked(hub) == ("a", "b")
    clock.now = 10.0
    hub.publish(ROUTER, "1", b"{}", ["c"], ["b"])
    assert revoked(hub) == ("a", "c")
    clock.now = REVOKED_SECONDS
    hub.expire()
    assert revoked(hub) == ("c",)
    clock.now += 10.0
    hub.expire()
    assert revoked(hub) == ()


async def test_a_router_that_is_gone_is_told_nothing_more() -> None:
    hub = Hub(Clock())
    hub.publish(ROUTER, "1", b"{}", [], [])
    hub.publish(OTHER, "1", b"{}", [], [])
    before = hub.channel(ROUTER)
    waiting = before.changed
    hub.retain("team", ["b"])
    assert waiting.is_set()
    assert (hub.hash(ROUTER), hub.hash(OTHER)) == ("", "1")


async def test_weights_are_made_when_they_are_written_and_each_is_new() -> None:
    hub, clock = Hub(Clock()), Clock()
    hub.steer(ROUTER, lambda: b"nobody there")
    assert hub.channel(ROUTER).weights is None
    seen = set()
    for _ in range(2):
        waiting = hub.channel(ROUTER).changed
        hub.steer(ROUTER, lambda: str(clock()).encode())
        assert waiting.is_set()
        seen.add(hub.channel(ROUTER).weighed)
    clock.now = 7.0
    weights = hub.channel(ROUTER).weights
    assert weights is not None and weights() == b"7.0"
    hub.retain("team", [])
    hub.channel(ROUTER)
    hub.steer(ROUTER, lambda: b"")
    seen.add(hub.channel(ROUTER).weighed)
    assert len(seen) == 3


async def test_leases_are_told_when_they_change() -> None:
    hub = Hub(Clock())
    waiting = hub.channel(ROUTER).changed
    hub.lease(ROUTER, {"uid": b"1"})
    assert waiting.is_set()
    waiting = hub.channel(ROUTER).changed
    hub.lease(ROUTER, {"uid": b"1"})
    assert not waiting.is_set()
