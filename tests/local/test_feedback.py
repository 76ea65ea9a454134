"""The loop beside a local router: nothing in it ends the router."""

import asyncio
from typing import cast

import pytest

from signalbox.local.feedback import Feedback
from signalbox.router.process.supervisor import Supervisor
from signalbox.routing.address_rules import AddressRules
from signalbox.signals import forever
from signalbox.signals.scraper import Scraper


async def test_a_defect_of_the_scraper_does_not_end_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    runs, again = 0, asyncio.Event()

    async def run(_: Scraper) -> None:
        nonlocal runs
        runs += 1
        if runs == 2:
            again.set()
        raise RuntimeError("a defect")

    monkeypatch.setattr(Scraper, "run", run)
    monkeypatch.setattr(forever, "DEFECT_SECONDS", 0.01)
    running = asyncio.create_task(Feedback(AddressRules(())).run(cast(Supervisor, _Supervisor())))
    waiting = asyncio.create_task(again.wait())
    await asyncio.wait({running, waiting}, timeout=10.0, return_when=asyncio.FIRST_COMPLETED)
    assert waiting.done() and not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


class _Supervisor:
    """One to which nothing comes."""

    def traffic(self, _: object) -> dict[str, object]:
        return {}

    def sent(self) -> dict[str, object]:
        return {}

    def steer(self, _: object) -> None:
        pass
