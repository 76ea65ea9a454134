"""The loop on a clock of its own: what goes in, when it steps, and what comes out."""

import asyncio
import logging
import threading
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import pytest

from signalbox.control.messages import RouteWeights, SetWeights, Traffic, Weights
from signalbox.feedback import law
from signalbox.feedback.law import Outcome
from signalbox.feedback.plan import Backend, Mode, Plan, Scrape, SetKey, Share, Spill, TargetSet
from signalbox.feedback.readings import Reading
from signalbox.signals.loop import LIVE_SECONDS, MANY, SETTLE_SECONDS, Loop, Step
from signalbox.signals.schedule import STEP

KEY = SetKey("p", "r")
PERIOD = 5.0


class World:
    """Engines that work off 100 tokens a second each, and the time."""

    def __init__(self, settle: float = 0.0) -> None:
        self.now = 100.0
        self.queues: dict[str, float] = {}
        self.followed: list[str] = []
        self.published: list[Step] = []
        self.loop: Loop = Loop(self, lambda: self.now, self.publish, settle)

    async def publish(self, step: Step) -> None:
        self.published.append(step)

    def follow(self, targets: Iterable[Scrape]) -> None:
        self.followed = [target.backend for target in targets]

    def readings(self, backend: str) -> Mapping[str, Reading]:
        if backend not in self.queues:
            return {}
        done = 100.0 * self.now
        queue = self.queues[backend]
        reading = Reading(at=self.now, running=8, waiting=queue, kv_usage=0.1, generated=done, finished=done / 100)
        return {"e": reading}

    async def go(self, seconds: float) -> None:
        """As ``run`` does, without waiting."""
        end = self.now + seconds
        while True:
            due = self.loop.due()
            if self.now + due > end:
                self.now = end
                return
            self.now += due
            await self.loop.act()

    def effective(self) -> dict[str, float]:
        return dict(self.message().policies["p"]["r"].sets[0].effective)

    def message(self) -> Weights:
        return self.published[-1].steering.everything(self.now)


def plan(*targets: str, mode: Mode = "Active", interval: float = PERIOD, policies: Iterable[str] = ("p",)) -> Plan:
    shares = tuple(Share(name, name) for name in targets)
    return Plan(
        backends={name: Backend(name=name, engine="VLLM", endpoints=("e",), concurrency=8) for name in targets},
        sets={SetKey(name, "r"): TargetSet(shares=shares, mode=mode, interval=interval) for name in policies},
    )


def asked(backend: str) -> Scrape:
    return Scrape(backend=backend, key="e", url="http://192.0.2.1/metrics", engine="VLLM", model="")


def said(started: int = 0, usable: int = 1) -> Traffic:
    return Traffic(started=started, completed=started, known=1, usable=usable)


async def test_a_queue_moves_weight_away_once_a_period() -> None:
    world = World()
    world.queues = {"a": 0.0, "b": 0.0}
    world.loop.use(plan("a", "b"), [asked("a"), asked("b")])
    await world.go(4 * PERIOD)
    assert len(world.published) == 4  # at once, and once a period when engines were just asked
    assert world.published[-1].steering.at % PERIOD == pytest.approx(STEP * PERIOD)
    assert world.effective() == {"a": 0.5, "b": 0.5}
    world.queues["a"] = 80.0
    await world.go(5 * PERIOD)
    assert world.effective()["a"] < 0.3
    assert world.followed == ["a", "b"]


async def test_a_backend_that_nobody_reaches_is_left_at_once() -> None:
    world = World()
    world.loop.use(plan("a", "b"), [])
    await world.go(PERIOD)
    for router in ("x", "y"):
        world.loop.report(router, {"a": said(), "b": said()}, {})
    await world.go(1.0)
    world.loop.report("x", {"a": said(usable=0), "b": said()}, {})
    await world.go(0.6)
    assert world.effective()["a"] == 0.5  # another one reaches it
    world.loop.report("y", {"a": said(usable=0), "b": said()}, {})
    await world.go(0.1)
    assert world.effective() == {"a": 0.0, "b": 1.0}
    steps = len(world.published)
    for number in range(20):  # one that changes its mind all the time is not followed all the time
        world.loop.report("y", {"a": said(usable=number % 2), "b": said()}, {})
        await world.go(0.1)
    assert len(world.published) - steps <= 4
    world.loop.report("y", {"a": said(usable=1), "b": said()}, {})
    await world.go(5 * PERIOD)
    assert world.effective()["a"] > 0.1


async def test_news_between_two_periods_does_not_keep_traffic_from_being_seen() -> None:
    world = World()
    made = plan("a", "b")
    backends = {name: Backend(name=name, endpoints=("e",), max_in_flight=10) for name in made.backends}
    world.loop.use(Plan(backends=backends, sets=made.sets), [])
    for second in range(21):
        world.loop.report("x", {"a": said(20 * second, usable=second % 2), "b": said(0)}, {})
        await world.go(1.0)
    assert len(world.published) > 15
    load = world.published[-1].outcome.loads["a"]
    assert load.arrivals is not None and 18.0 < load.arrivals < 22.0


async def test_a_router_that_is_silent_counts_no_more() -> None:
    world = World()
    world.loop.use(plan("a", "b"), [])
    world.loop.report("x", {"a": said(usable=0), "b": said()}, {})
    await world.go(1.0)
    assert world.effective()["a"] == 0.0
    await world.go(LIVE_SECONDS + 4 * PERIOD)
    assert world.effective()["a"] > 0.1


async def test_a_new_leader_goes_on_with_what_routers_have() -> None:
    world = World(SETTLE_SECONDS)
    world.queues = {"a": 1.0, "b": 1.0}
    in_force = {"p": {"r": RouteWeights(sets=(SetWeights(effective={"a": 0.2, "b": 0.8}, base={"a": 0.3, "b": 0.7}),))}}
    world.loop.use(plan("a", "b", policies=("p", "q")), [])
    await world.go(1.0)
    assert not world.message().policies  # nobody was heard yet
    assert world.published[-1].steering.awaited == {"p", "q"}  # so nobody may be told that there is nothing
    world.loop.report("x", {"a": said(), "b": said()}, in_force)
    await world.go(0.6)
    told = world.message().policies
    assert told == in_force
    assert world.published[-1].steering.awaited == {"q"}
    await world.go(SETTLE_SECONDS)
    assert not world.published[-1].steering.awaited
    assert set(world.message().policies) == {"p", "q"}  # nobody has anything in force for q
    assert 0.18 < world.effective()["a"] < 0.35
    world.loop.report("x", {}, {"p": {"r": RouteWeights(sets=(SetWeights(effective={"a": 0.9, "b": 0.1}),))}})
    await world.go(0.6)
    assert world.effective()["a"] < 0.35  # that is asked once


async def test_a_new_leader_goes_on_spilling_as_much_as_routers_do() -> None:
    world = World(SETTLE_SECONDS)
    tiers = [TargetSet(shares=(Share(name, name),)) for name in ("a", "b")]
    made = msgspec.structs.replace(
        plan("a", "b"),
        sets={SetKey("p", "r", tier): each for tier, each in enumerate(tiers)},
        spills={KEY: Spill(0.8, 1.0)},
    )
    sets = tuple(SetWeights(effective={name: 1.0}, base={name: 1.0}) for name in ("a", "b"))
    world.loop.use(made, [])
    world.loop.report("x", {"a": said(), "b": said()}, {"p": {"r": RouteWeights(sets=sets, spill=0.6)}})
    await world.go(0.6)
    assert world.message().policies["p"]["r"].spill == 0.6
    world.queues = {"a": 4.0, "b": 0.0}
    await world.go(2 * PERIOD)
    assert world.message().policies["p"]["r"].spill == 0.85  # a step at a time


async def test_before_capacities_are_learned_the_bases_of_the_former_leader_hold() -> None:
    world = World(SETTLE_SECONDS)
    in_force = {"p": {"r": RouteWeights(sets=(SetWeights(effective={"a": 0.1, "b": 0.9}, base={"a": 0.1, "b": 0.9}),))}}
    world.loop.use(plan("a", "b"), [])
    world.loop.report("x", {"a": said(), "b": said()}, in_force)
    await world.go(6 * PERIOD)
    assert world.effective() == pytest.approx({"a": 0.1, "b": 0.9}, abs=0.01)
    world.queues = {"a": 2.0}  # now a is learned, and b counts in relation to it
    await world.go(6 * PERIOD)
    loads = world.published[-1].outcome.loads
    assert loads["a"].capacity == pytest.approx(100.0, rel=0.05)
    assert loads["b"].capacity == pytest.approx(900.0, rel=0.05)


async def test_edits_keep_what_stays() -> None:
    world = World()
    world.queues = {"a": 80.0, "b": 0.0, "c": 0.0}
    world.loop.use(plan("a", "b"), [])
    await world.go(8 * PERIOD)
    before = world.effective()
    world.loop.use(plan("a", "b", policies=("p", "new")), [])
    await world.go(0.5)
    assert world.effective() == before
    assert "new" in world.message().policies
    world.loop.use(plan("a", "b", "c"), [])
    await world.go(0.6)
    assert 0.0 < world.effective()["a"] < 0.35
    assert world.effective()["c"] > 0.0
    assert set(world.message().policies) == {"p"}


async def test_the_same_plan_again_is_no_news() -> None:
    world = World()
    world.loop.use(plan("a"), [])
    await world.go(1.0)
    steps = len(world.published)
    world.loop.use(plan("a"), [asked("x")])
    await world.go(1.0)
    assert len(world.published) == steps
    assert world.followed == ["x"]


async def test_observe_computes_and_tells_no_weights() -> None:
    world = World()
    world.queues = {"a": 80.0, "b": 0.0}
    world.loop.use(plan("a", "b", mode="Observe"), [])
    await world.go(8 * PERIOD)
    assert world.published[-1].outcome.weights[KEY][0].effective < 0.3
    assert not world.message().policies
    assert set(world.message().loads) == {"a", "b"}  # conditions may ask


async def test_of_disabled_policies_routers_hear_loads_only() -> None:
    world = World()
    world.queues = {"a": 80.0, "b": 0.0}
    world.loop.use(plan("a", "b", mode="Disabled"), [])
    await world.go(2 * PERIOD)
    assert not world.published[-1].outcome.weights
    assert not world.message().policies
    assert world.message().loads["a"].waiting == 80.0  # conditions may ask


async def test_nobody_waits_for_what_disabled_policies_have_in_force() -> None:
    world = World(SETTLE_SECONDS)
    world.loop.use(plan("a", "b", mode="Disabled"), [])
    await world.go(1.0)
    assert not world.published[-1].steering.awaited


@pytest.mark.parametrize(("policies", "backends"), [(MANY, 2), (1, MANY), (2, 2)])
async def test_much_is_stepped_beside_the_event_loop_and_little_on_it(
    policies: int, backends: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []

    def step(*args: Any) -> Outcome:
        threads.append(threading.current_thread())
        return real(*args)

    real = law.step
    monkeypatch.setattr(law, "step", step)
    world = World()
    names = [f"b{number}" for number in range(backends)]
    world.loop.use(plan(*names, policies=[f"p{number}" for number in range(policies)]), [])
    await world.go(PERIOD)
    assert {thread is threading.main_thread() for thread in threads} == {policies + backends < MANY}
    assert len(world.message().policies) == policies


async def test_what_comes_into_force_during_a_step_is_stepped_next(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def step(*args: Any) -> Outcome:
        begun.set()
        may_end.wait(20.0)
        return real(*args)

    real = law.step
    monkeypatch.setattr(law, "step", step)
    world = World()
    many = [f"b{number}" for number in range(MANY)]
    world.loop.use(plan(*many), [])
    going = asyncio.create_task(world.go(0.0))
    await asyncio.to_thread(begun.wait, 20.0)
    world.loop.use(plan(*many, policies=["p", "new"]), [])
    may_end.set()
    await going
    assert set(world.message().policies) == {"p"}
    await world.go(0.6)
    assert set(world.message().policies) == {"p", "new"}


async def test_a_defect_is_logged_and_the_loop_goes_on(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signalbox.signals.loop.DEFECT_SECONDS", 0.0)
    world = World()
    done = asyncio.Event()

    async def publish(step: Step) -> None:
        await world.publish(step)
        if len(world.published) == 1:
            raise RuntimeError("a defect")
        done.set()

    loop = Loop(world, asyncio.get_running_loop().time, publish)
    running = asyncio.create_task(loop.run())
    with caplog.at_level(logging.ERROR):
        loop.use(plan("a", interval=0.05), [])
        await asyncio.wait_for(done.wait(), 10.0)
    running.cancel()
    assert "a defect" in caplog.text
