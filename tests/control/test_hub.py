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
