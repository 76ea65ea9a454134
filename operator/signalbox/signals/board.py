"""What a page shows of one loop: the newest view, and the past. Whoever runs the loop tells it."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from signalbox.control.messages import Traffic, Ways
from signalbox.feedback.law import Outcome
from signalbox.feedback.plan import Plan
from signalbox.signals.flows import Meter
from signalbox.signals.history import History
from signalbox.signals.view import View, view


class Board:
    """``clock`` is of the calendar. A view is built when somebody looks, or when the history wants one."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._meter = Meter()
        self._build: Callable[[], View] | None = None
        self._view: View | None = None
        self._news = asyncio.Event()
        self.history = History()
        self.version = 0

    def report(self, router: str, backends: Mapping[str, Traffic], sent: Ways) -> None:
        """What one router has counted so far."""
        self._meter.report(router, backends, sent)

    def gone(self, router: str) -> None:
        """It will not report any more."""
        self._meter.gone(router)

    def show(self, outcome: Outcome, plan: Plan, problems: Mapping[str, Sequence[str]], now: float) -> None:
        """The loop has stepped. ``problems`` are by backend, ``now`` is of the clock of the samples."""
        flows, at = self._meter.flows(now), self._clock()
        self.put(at, lambda: view(outcome, plan, flows, problems, now, at))

    def put(self, at: float, build: Callable[[], View]) -> None:
        """A new view, of the time ``at``."""
        self._build, self._view = build, None
        self.version += 1
        if self.history.due(at) and (found := self.view()) is not None:
            self.history.add(found)
        news, self._news = self._news, asyncio.Event()
        news.set()

    def view(self) -> View | None:
        """The newest one, None before the first step."""
        if self._view is None and self._build is not None:
            self._view = self._build()
        return self._view

    async def news(self) -> None:
        """Wait for the next view."""
        await self._news.wait()
