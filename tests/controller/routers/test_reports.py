"""From what pods report to what is to be shown, by a fake clock."""

import pytest

from signalbox.control.messages import Hello, Rejected, Report, Traffic, Waiting
from signalbox.control.peers import Peer, Router
from signalbox.controller.routers.reports import (
    LIVE_SECONDS,
    NEWS_BURST,
    NEWS_SECONDS,
    UNREACHABLE_SECONDS,
    Reports,
)
from signalbox.plan.status.reported import Reported

ROUTER = Router("team", "chat-router")
USABLE, OUT = Traffic(known=1, usable=1), Traffic(known=1, causes=("connect",))


class World:
    """Pods that report to one operator, whose newest configuration is "new"."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.news: list[str] = []
        self.reports = Reports(lambda _: "new", 2, self.news.append, lambda: self.now)
        self.pods: dict[str, Report] = {}

    def says(self, pod: str, format_version: int = 2, **fields: object) -> None:
        peer = Peer(ROUTER, pod, f"uid-{pod}", 0.0)
        if pod not in self.pods:
            self.reports.hello(peer, Hello(format_version=format_version))
        self.pods[pod] = Report(**{"config_hash": "new", **fields})  # type: ignore[arg-type]
        self.reports.report(peer, self.pods[pod])

    def passes(self, seconds: float, *silent: str) -> None:
        """Everybody says the same every second, but those who are silent."""
        for _ in range(round(seconds)):
            self.now += 1.0
            for pod in self.pods.keys() - set(silent):
                self.reports.report(Peer(ROUTER, pod, f"uid-{pod}", 0.0), self.pods[pod])
            self.reports.judge()

    @property
    def judged(self) -> Reported:
        self.reports.judge()
        return self.reports.of(ROUTER)


@pytest.fixture
def world() -> World:
    return World()


def test_the_same_again_is_no_news(world: World) -> None:
    world.says("a", backends={"x": USABLE})
    world.passes(1)
    assert world.news == ["team"]
    world.says("a", backends={"x": Traffic(known=1, usable=1, requests=5, in_flight=3)})
    world.passes(600)
    assert world.news == ["team"]


def test_configurations_in_force_are_counted(world: World) -> None:
    world.says("a", config_hash="old")
    world.says("b")
    world.says("c", config_hash="")
    assert world.judged.configs == (("new", 1), ("old", 1))


def test_a_pod_that_is_silent_for_long_counts_no_more(world: World) -> None:
    world.says("a")
    world.says("b")
    world.passes(LIVE_SECONDS - 1, "b")
    assert world.judged.configs == (("new", 2),)
    world.passes(1, "b")
    assert world.judged.configs == (("new", 1),)
    world.passes(LIVE_SECONDS, "a", "b")
    assert world.judged == Reported()
    assert world.news == ["team"] * 3


def test_waiting_and_rejected_are_about_the_newest_only(world: World) -> None:
    world.says("a", waits_for=Waiting("old", ("x",)), rejected=Rejected("old", "why"))
    assert (world.judged.waiting, world.judged.rejected) == ((), "")
    world.says("a", waits_for=Waiting("new", ("x", "y")))
    world.says("b", rejected=Rejected("new", "why"))
    assert (world.judged.waiting, world.judged.rejected) == (("x", "y"), "why")


def test_a_router_that_is_too_old_is_named(world: World) -> None:
    world.says("a", format_version=1)
    world.says("b")
    assert world.judged.too_old == ("a",)


def test_unreachable_is_what_nobody_has_reached_for_a_while(world: World) -> None:
    world.says("a", backends={"x": OUT, "y": OUT})
    world.says("b", backends={"x": OUT, "y": USABLE})
    world.passes(UNREACHABLE_SECONDS - 1)
    assert (world.judged.reachable, world.judged.unreachable) == ({"y"}, set())
    world.passes(1)
    assert (world.judged.reachable, world.judged.unreachable) == ({"y"}, {"x"})
    world.says("c", backends={"x": OUT})  # it may yet find a way
    assert world.judged.unreachable == set()
    world.passes(UNREACHABLE_SECONDS)
    assert world.judged.unreachable == {"x"}
    world.says("b", backends={"x": USABLE})
    assert "x" in world.judged.reachable - world.judged.unreachable
    world.says("b", backends={"x": OUT})
    world.passes(UNREACHABLE_SECONDS - 1)
    assert "x" not in world.judged.reachable | world.judged.unreachable


def test_refused_credentials_are_told_by_any_pod(world: World) -> None:
    world.says("a", backends={"x": USABLE})
    world.says("b", backends={"x": Traffic(known=1, causes=("credential",))})
    assert world.judged.unauthorized == {"x"}


def test_who_always_says_something_new_is_told_of_less_often(world: World) -> None:
    for number in range(600):
        world.says("a", config_hash=f"{number}")
        world.passes(1)
    assert NEWS_BURST < len(world.news) <= NEWS_BURST + 600 / NEWS_SECONDS + 1
    world.says("a")
    world.passes(NEWS_SECONDS)
    assert world.judged.configs == (("new", 1),)
