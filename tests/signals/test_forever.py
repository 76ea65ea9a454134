"""Work that has defects goes on."""

import asyncio

import pytest

from signalbox.signals import forever


async def test_a_defect_is_said_and_is_not_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(forever, "DEFECT_SECONDS", 0.0)
    begun, again = 0, asyncio.Event()

    async def work() -> None:
        nonlocal begun
        begun += 1
        if begun == 1:
            raise ZeroDivisionError
        again.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(forever.for_ever("working", work))
    await asyncio.wait_for(again.wait(), 10.0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "working: a defect" in caplog.text
    assert "ZeroDivisionError" in caplog.text
