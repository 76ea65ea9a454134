"""Equal questions are asked once; failures are told to all and not remembered; who leaves takes nobody along."""

import asyncio
import time

import pytest

from signalbox.router.serving.classifiers import answers
from signalbox.router.serving.classifiers.answers import KEPT_SECONDS, MAX_ANSWERS, Answers, Unanswered
from signalbox.routing.choosing.classified import Result

YES = Result("yes", 1.0, 1.0)


class Asked:
    """A question that is answered when told."""

    def __init__(self) -> None:
        self.times = 0
        self.go = asyncio.Event()
        self.failure: Exception | None = None

    async def __call__(self) -> Result:
        self.times += 1
        await self.go.wait()
        if self.failure is not None:
            raise self.failure
        return YES


def soon() -> float:
    return time.monotonic() + 10.0


async def test_questions_at_once_share_one_answer_and_later_ones_remember_it() -> None:
    known, asked = Answers(), Asked()
    waiting = [asyncio.ensure_future(known.get("a", soon(), asked)) for _ in range(3)]
    await asyncio.sleep(0)
    asked.go.set()
    assert [await each for each in waiting] == [(YES, False), (YES, True), (YES, True)]
    assert await known.get("a", soon(), asked) == (YES, True)
    assert await known.get("b", soon(), asked) == (YES, False)
    assert asked.times == 2


async def test_a_failure_is_told_to_all_who_wait_and_not_remembered() -> None:
    known, asked = Answers(), Asked()
    asked.failure = Unanswered("failed", "no")
    waiting = [asyncio.ensure_future(known.get("a", soon(), asked)) for _ in range(3)]
    await asyncio.sleep(0)
    asked.go.set()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert [str(each) for each in found] == ["no"] * 3
    asked.failure = None
    assert await known.get("a", soon(), asked) == (YES, False)


async def test_when_who_asks_leaves_or_breaks_the_next_asks_anew() -> None:
    for cause in ("cancel", "defect"):
        known, asked = Answers(), Asked()
        first = asyncio.ensure_future(known.get("a", soon(), asked))
        await asyncio.sleep(0)
        second = asyncio.ensure_future(known.get("a", soon(), asked))
        await asyncio.sleep(0)
        if cause == "cancel":
            first.cancel()
        else:
            asked.failure = ZeroDivisionError()
            asked.go.set()
        with pytest.raises((asyncio.CancelledError, ZeroDivisionError)):
            await first
        asked.failure = None
        asked.go.set()
        assert await second == (YES, False)
        assert asked.times == 2


async def test_who_waits_for_another_waits_no_longer_than_it_may() -> None:
    known, asked = Answers(), Asked()
    first = asyncio.ensure_future(known.get("a", soon(), asked))
    await asyncio.sleep(0)
    with pytest.raises(Unanswered) as caught:
        await known.get("a", time.monotonic() + 0.01, asked)
    assert caught.value.outcome == "timeout"
    asked.go.set()
    assert await first == (YES, False)  # and the first one goes on


async def test_answers_grow_old_and_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    known, asked = Answers(lambda: now), Asked()
    asked.go.set()
    await known.get("a", soon(), asked)
    now = KEPT_SECONDS - 1
    assert await known.get("a", soon(), asked) == (YES, True)
    now = KEPT_SECONDS
    assert await known.get("a", soon(), asked) == (YES, False)
    assert MAX_ANSWERS >= 1000
    monkeypatch.setattr(answers, "MAX_ANSWERS", 2)
    for question in ("b", "a", "c"):  # a was used after b: b goes
        await known.get(question, soon(), asked)
    asked.times = 0
    await known.get("a", soon(), asked)
    assert asked.times == 0
    await known.get("b", soon(), asked)
    assert asked.times == 1
