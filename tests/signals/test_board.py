"""A board has the newest view, and wakes whoever waits for it."""

import asyncio

from signalbox.feedback.law import State, step
from signalbox.feedback.plan import Backend, Plan, SetKey, Share, TargetSet
from signalbox.signals.board import Board

PLAN = Plan(
    backends={"a": Backend(name="a", endpoints=("1",))}, sets={SetKey("p", "r"): TargetSet(shares=(Share("t", "a"),))}
)


async def test_whoever_waits_is_told() -> None:
    board = Board(lambda: 1000.0)
    assert board.view() is None
    waiting = asyncio.create_task(board.news())
    await asyncio.sleep(0)
    board.show(step(State(), PLAN, {}, 5.0), PLAN, {"a": ("time-out",)}, 5.0)
    await asyncio.wait_for(waiting, 5)
    view = board.view()
    assert view is not None
    assert (view.at, view.policies[0].name, view.backends[0].problems) == (1000.0, "p", ("time-out",))
    assert board.version == 1


async def test_a_view_is_built_when_somebody_looks_or_the_past_wants_one() -> None:
    now = 1000.0
    board = Board(lambda: now)
    built = 0

    def build() -> None:
        nonlocal built
        built += 1

    for _ in range(20):
        board.put(now, build)  # type: ignore[arg-type]
        now += 1.0
    assert built == 20  # nothing was added to the past, so it is due each time
    board.show(step(State(), PLAN, {}, 5.0), PLAN, {}, 5.0)
    assert board.history.recorded().at == [now]
    built = 0
    for _ in range(3):
        now += 1.0
        board.put(now, build)  # type: ignore[arg-type]
    assert built == 0
