"""Work in a loop of its own, in a thread."""

import asyncio
import threading

import pytest

from signalbox.controller.own.apart import apart
from waiting import until


async def test_it_goes_on_while_this_loop_is_busy() -> None:
    ready, answered = threading.Event(), threading.Event()

    async def answer() -> None:
        while not ready.is_set():
            await asyncio.sleep(0.001)
        answered.set()

    working = asyncio.create_task(apart(answer))
    await asyncio.sleep(0)
    ready.set()
    assert answered.wait(60)  # this loop does nothing meanwhile
    await working


async def test_what_it_raises_is_raised_here() -> None:
    async def fail() -> None:
        raise ValueError("of the work")

    with pytest.raises(ValueError, match="of the work"):
        await apart(fail)


async def test_whoever_cancels_it_ends_it() -> None:
    seen: list[str] = []

    async def work() -> None:
        seen.append(threading.current_thread().name)
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)
            seen.append("ended")

    working = asyncio.create_task(apart(work))
    await until(lambda: seen)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert seen[0].startswith("apart")
    assert seen[1:] == ["ended"]
