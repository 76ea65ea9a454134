"""What metrics see of a loop: the newest step, and what requests did once that is known. Routers come first."""

import asyncio
from collections.abc import Iterable, Mapping

from signalbox.control.messages import Sent, Traffic
from signalbox.feedback.plan import Backend, Plan, Scrape, SetKey, Share, TargetSet
from signalbox.feedback.readings import Reading
from signalbox.signals.loop import Step
from signalbox.signals.space import Space
from signalbox.signals.telemetry import Seen, Work

PLAN = Plan(
    backends={"a": Backend(name="a", engine="VLLM", endpoints=("1",))},
    sets={SetKey("p", "r"): TargetSet(shares=(Share("t", "a"),))},
)


class Engines:
    """That cannot be read."""

    def follow(self, targets: Iterable[Scrape]) -> None:
        pass

    def readings(self, backend: str) -> Mapping[str, Reading]:
        return {}

    def problems(self, backend: str) -> Mapping[str, str]:
        return {"1": "TimedOut"}


async def test_nothing_is_said_of_requests_before_routers_were_heard_for_long_enough() -> None:
    now = 0.0
    space = Space(Engines(), lambda: now, lambda _: None, Work(), "n")
    space.use(PLAN, ())
    assert space.seen is None
    await space.loop.act()
    for second in range(13):
        assert space.seen is not None
        assert (space.seen.namespace, space.seen.plan) == ("n", PLAN)
        assert space.seen.problems == {"a": {"1": "TimedOut"}}
        if second < 10:
            assert space.seen.answered is None
        sent = {"p": {"r": {"t": Sent(requests=second)}}}
        space.report("router", {"a": Traffic(known=1, usable=1, requests=second, shed=2 * second)}, {}, sent)
        await space.loop.act()
        now += 1.0
    assert space.seen.answered == {"p": {"r": {"t": 1.0}}}
    assert space.seen.shed == {"a": 2.0}


async def test_routers_are_told_before_anything_is_made_for_people() -> None:
    space: Space
    seen: list[str] = []

    def publish(step: Step) -> None:
        seen.append("told")
        asyncio.get_running_loop().call_soon(write)

    def write() -> None:
        assert space.board.view() is None and space.seen is None
        seen.append("written")

    async def told(newest: Seen) -> None:
        assert newest is space.seen and space.board.view() is not None
        seen.append("shown")

    space = Space(Engines(), lambda: 0.0, publish, Work(), told=told)
    space.use(PLAN, ())
    await space.loop.act()
    assert seen == ["told", "written", "shown"]
