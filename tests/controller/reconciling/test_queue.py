"""The queue: each key once, failures with back-off, time by a fake clock."""

import asyncio

import pytest

from signalbox.controller.reconciling.queue import FIRST_DELAY, LONGEST_DELAY, REST, Queue


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def nothing(queue: Queue) -> bool:
    """Whether nothing can be taken now."""
    taking = asyncio.ensure_future(queue.take())
    for _ in range(5):
        await asyncio.sleep(0)
    if taking.done():
        return False
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)
    return True


async def test_a_key_comes_once_however_often_it_was_added(clock: Clock) -> None:
    queue = Queue(clock)
    for key in ("a", "b", "a", "a"):
        queue.add(key)
    assert {await queue.take(), await queue.take()} == {"a", "b"}
    assert await nothing(queue)


async def test_a_key_that_changes_while_it_is_worked_on_comes_again_afterwards(clock: Clock) -> None:
    queue = Queue(clock)
    queue.add("a")
    assert await queue.take() == "a"
    queue.add("a")
    assert await nothing(queue)
    queue.done("a")
    assert await queue.take() == "a"


async def test_failures_wait_longer_each_time_and_success_forgets_them(clock: Clock) -> None:
    queue = Queue(clock)
    delays = []
    for _ in range(12):
        queue.add("a")
        clock.now += LONGEST_DELAY
        assert await queue.take() == "a"
        delays.append(queue.failed("a"))
    assert delays[:3] == [FIRST_DELAY, 2 * FIRST_DELAY, 4 * FIRST_DELAY]
    assert delays[-1] == LONGEST_DELAY
    assert await nothing(queue)
    clock.now += LONGEST_DELAY
    assert await queue.take() == "a"
    queue.done("a")
    queue.add("a")
    assert await queue.take() == "a"
    assert queue.failed("a", retry_after=7.0) == 7.0


async def test_the_oldest_tells_how_far_behind_it_is(clock: Clock) -> None:
    queue = Queue(clock)
    assert (queue.depth, queue.oldest()) == (0, 0)
    queue.add("a")
    clock.now += 3.0
    queue.add("b")
    queue.add("a")
    assert (queue.depth, queue.oldest()) == (2, 3.0)


async def test_news_cut_a_long_wait_short_but_not_to_nothing(clock: Clock) -> None:
    queue = Queue(clock)
    queue.add("a")
    for _ in range(10):
        clock.now += LONGEST_DELAY
        assert await queue.take() == "a"
        assert queue.failed("a") <= LONGEST_DELAY
    queue.add("a")  # perhaps what it waits for
    assert await nothing(queue)
    clock.now += REST
    assert await queue.take() == "a"
    assert queue.failed("a", retry_after=10.0) >= 10.0
    clock.now += REST
    queue.add("a")
    assert await nothing(queue)  # the server has asked for more patience than that


async def test_several_readers_never_share_a_key(clock: Clock) -> None:
    queue = Queue(clock)
    for key in "ab":
        queue.add(key)
    taking = [asyncio.create_task(queue.take()) for _ in range(3)]
    done, waiting = await asyncio.wait(taking, timeout=0.1)
    assert {task.result() for task in done} == {"a", "b"}
    queue.add("a")
    queue.add("c")
    (last,) = waiting
    assert await asyncio.wait_for(last, 5) == "c"


async def test_what_is_worked_on_for_long_counts_as_waiting(clock: Clock) -> None:
    queue = Queue(clock)
    queue.add("a")
    await queue.take()
    clock.now += 3.0
    assert (queue.depth, queue.oldest()) == (0, 3.0)
    queue.failed("a")
    clock.now += 2.0
    assert queue.oldest() == 5.0
    clock.now += LONGEST_DELAY
    await queue.take()
    queue.done("a")
    assert queue.oldest() == 0
