"""The feedback loop of a directory: its one router is heard and steered directly."""

import asyncio
import logging
import time
from collections.abc import Mapping

from signalbox.feedback.plan import Plan, Scrape
from signalbox.plan.feedback import Followed
from signalbox.router.process.supervisor import Supervisor
from signalbox.routing.address_rules import AddressRules
from signalbox.signals.board import Board
from signalbox.signals.loop import Loop, Step
from signalbox.signals.scraper import Scraper

ROUTER = "local"
REPORT_SECONDS = 1.0

_log = logging.getLogger(__name__)


class Feedback:
    """``run`` it beside the supervisor, and ``use`` whatever is in force. ``board`` is for people."""

    def __init__(self, supervisor: Supervisor, rules: AddressRules) -> None:
        self._supervisor = supervisor
        self._entries: Mapping[str, bytes] = {}
        self._plan = Plan()
        self.board = Board()
        self.scraper = Scraper(rules, time.monotonic, self._authority)
        self.loop = Loop(self.scraper, time.monotonic, self._publish)

    def use(self, followed: Followed, entries: Mapping[str, bytes]) -> None:
        """This is in force; ``entries`` are the secrets that routers get, authorities among them."""
        self._entries, self._plan = entries, followed.plan
        self.loop.use(followed.plan, followed.scrapes)

    async def run(self) -> None:
        """Until cancelled. It never ends by itself."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.scraper.run())
            tasks.create_task(self.loop.run())
            tasks.create_task(self._report())

    def _authority(self, scrape: Scrape) -> bytes | None:
        return self._entries.get(scrape.ca or "")

    async def _report(self) -> None:
        while True:
            try:
                traffic = self._supervisor.traffic(self.loop.plan.backends)
                self.loop.report(ROUTER, traffic, {})
                self.board.report(ROUTER, traffic, self._supervisor.sent())
            except Exception:
                _log.exception("traffic is not known: a defect")
            await asyncio.sleep(REPORT_SECONDS)

    def _publish(self, step: Step) -> None:
        self._supervisor.steer(step.steering.everything(time.monotonic()))
        self.board.show(step.outcome, self._plan, {name: self.scraper.problems(name) for name in self._plan.backends})
