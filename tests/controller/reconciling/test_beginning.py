"""Nobody waits for the troubles of another namespace when a new leader begins."""

import asyncio

import pytest

from signalbox.controller.reconciling import beginning
from signalbox.controller.reconciling.beginning import begin


async def test_what_was_known_before_is_reconciled_at_once() -> None:
    added: list[str] = []
    released = asyncio.Event()
    welcomed: list[str] = []

    async def welcome(namespace: str) -> None:
        await released.wait()
        welcomed.append(namespace)

    task = asyncio.create_task(begin(["a", "n1", "b", "n2"], {"n1", "n2"}, welcome, added.append))
    await asyncio.sleep(0)
    assert added == ["a", "b"]
    released.set()
    await task
    assert sorted(welcomed) == ["n1", "n2"]
    assert sorted(added) == ["a", "b", "n1", "n2"]


async def test_new_ones_are_welcomed_side_by_side_and_what_fails_is_reconciled_all_the_same() -> None:
    added: list[str] = []
    both = asyncio.Barrier(2)

    async def welcome(namespace: str) -> None:
        async with asyncio.timeout(60):
            await both.wait()  # each waits for the other
        raise ValueError(namespace)

    await begin([], {"n1", "n2"}, welcome, added.append)
    assert sorted(added) == ["n1", "n2"]


async def test_one_that_hangs_holds_up_nobody_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beginning, "WELCOME_SECONDS", 0.01)
    added: list[str] = []

    async def welcome(_: str) -> None:
        await asyncio.Event().wait()

    await begin([], {f"n{number}" for number in range(3 * beginning.AT_ONCE)}, welcome, added.append)
    assert len(added) == 3 * beginning.AT_ONCE
