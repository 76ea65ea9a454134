"""Calls side by side: taken as they end, and ended when nobody waits for them."""

import asyncio

import pytest

from harness import within
from signalbox.router.serving.chains.race import Race


class Works:
    """Works that end when they are told to, and remember how they ended."""

    def __init__(self, count: int) -> None:
        self.ends = [asyncio.Event() for _ in range(count)]
        self.cancelled: list[int] = []

    async def work(self, number: int) -> str:
        try:
            await self.ends[number].wait()
        except asyncio.CancelledError:
            self.cancelled.append(number)
            raise
        return f"work {number}"

    def race(self) -> Race[str]:
        return Race([self.work(number) for number in range(len(self.ends))])


async def test_in_the_order_in_which_they_end() -> None:
    works, seen = Works(3), []
    async with works.race() as race:
        for number in (2, 0, 1):
            works.ends[number].set()
            seen.append(await within(anext(race)))
        with pytest.raises(StopAsyncIteration):
            await anext(race)
    assert seen == [(2, "work 2"), (0, "work 0"), (1, "work 1")]
    assert not works.cancelled


async def test_who_leaves_cancels_the_rest() -> None:
    works = Works(3)
    async with works.race() as race:
        works.ends[1].set()
        async for place, _ in race:
            assert place == 1
            break
    assert sorted(works.cancelled) == [0, 2]


async def test_who_is_cancelled_cancels_all() -> None:
    works = Works(2)

    async def wait() -> None:
        async with works.race() as race:
            await anext(race)

    waiting = asyncio.ensure_future(wait())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert sorted(works.cancelled) == [0, 1]


async def test_a_defect_is_raised_and_ends_the_others() -> None:
    works = Works(1)

    async def broken() -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with Race([works.work(0), broken()]) as race:
            await within(anext(race))
    assert works.cancelled == [0]
