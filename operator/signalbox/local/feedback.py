"""The feedback loop of a directory: its one router is heard and steered directly."""

import asyncio
import logging
import time
from collections.abc import Mapping

from signalbox.feedback.plan import Scrape
from signalbox.plan.feedback import Followed
from signalbox.router.process.supervisor import Supervisor
from signalbox.routing.address_rules import AddressRules
from signalbox.signals.board import Board
from signalbox.signals.forever import for_ever
from signalbox.signals.loop import Step
from signalbox.signals.scraper import Scraper
from signalbox.signals.space import Space
from signalbox.signals.telemetry import LoopFamilies, Seen, Work

ROUTER = "local"
REPORT_SECONDS = 1.0

_log = logging.getLogger(__name__)


class Feedback:
    """``use`` whatever is in force, and ``run`` it beside the supervisor, among whose metrics are ``families``."""

    def __init__(self, rules: AddressRules) -> None:
        self._supervisor: Supervisor | None = None
        self._entries: Mapping[str, bytes] = {}
        work = Work()
        self._scraper = Scraper(rules, time.monotonic, self._authority, work.looked)
        self._space = Space(self._scraper, time.monotonic, self._publish, work)
        self.families = LoopFamilies(self._seen, work, time.monotonic)

    @property
    def board(self) -> Board:
        """What a page shows."""
        return self._space.board

    def use(self, followed: Followed, entries: Mapping[str, bytes]) -> None:
        """This is in force; ``entries`` are the secrets that routers get, authorities among them."""
        self._entries = entries
        self._space.use(followed.plan, followed.scrapes)

    async def run(self, supervisor: Supervisor) -> None:
        """Steer until cancelled."""
        self._supervisor = supervisor
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(for_ever("asking engines", self._scraper.run))
            tasks.create_task(self._space.loop.run())
            tasks.create_task(self._report(supervisor))

    async def _report(self, supervisor: Supervisor) -> None:
        while True:
            try:
                traffic = supervisor.traffic(self._space.plan.backends)
                self._space.report(ROUTER, traffic, {}, supervisor.sent())
            except Exception:
                _log.exception("traffic is not known: a defect")
            await asyncio.sleep(REPORT_SECONDS)

    def _publish(self, step: Step) -> None:
        if self._supervisor is not None:
            self._supervisor.steer(step.steering.everything(time.monotonic()))

    def _authority(self, scrape: Scrape) -> bytes | None:
        return self._entries.get(scrape.ca or "")

    def _seen(self) -> list[Seen]:
        return [self._space.seen] if self._space.seen is not None else []
