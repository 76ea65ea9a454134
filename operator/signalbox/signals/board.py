"""What a page shows of one loop: the newest view, and the past. Whoever runs the loop tells it."""

import time
from collections.abc import Callable, Mapping

from signalbox.control.messages import Traffic, Ways
from signalbox.feedback.law import Outcome
from signalbox.feedback.plan import Plan
from signalbox.signals.flows import Flows, Meter
from signalbox.signals.history import History, Room
from signalbox.signals.view import View, view

LEAST_SECONDS = 0.5
"""Whoever asks again before that is shown the same."""
MOST_BACKENDS = 500
"""Of a loop whose past is kept: to build a view of more, while nobody looks, is not worth the time."""


class Board:
    """``clock`` is that of the samples, ``calendar`` gives seconds since the epoch.

    A view is built when somebody looks, so that ages and rates are those of that moment; and after a step, for the
    history.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        calendar: Callable[[], float] = time.time,
        room: Room | None = None,
    ) -> None:
        self._clock, self._calendar = clock, calendar
        self._meter = Meter(clock)
        self._stepped: tuple[float, Outcome, Plan, Mapping[str, Mapping[str, str]]] | None = None
        self._built: tuple[float, View] | None = None
        self.history = History(room)

    def report(self, router: str, backends: Mapping[str, Traffic], sent: Ways) -> None:
        """What one router has counted so far."""
        self._meter.report(router, backends, sent)

    def gone(self, router: str) -> None:
        """It will not report any more."""
        self._meter.gone(router)

    def show(self, outcome: Outcome, plan: Plan, problems: Mapping[str, Mapping[str, str]]) -> None:
        """The loop has stepped. ``problems`` are by backend and endpoint: what was in the way of reading it."""
        self._stepped, self._built = (self._clock(), outcome, plan, problems), None
        if len(plan.backends) > MOST_BACKENDS:
            self.history.close()
            return
        if self.history.due(self._calendar()) and (found := self.view()) is not None:
            self.history.add(found)
            self._built = None  # nobody looks most of the time

    def flows(self) -> Flows:
        """What routers do, as rates."""
        return self._meter.flows(self._clock())

    def view(self) -> View | None:
        """Now; None before the first step."""
        if self._stepped is None:
            return None
        now = self._clock()
        if self._built is None or now - self._built[0] >= LEAST_SECONDS:
            at, outcome, plan, problems = self._stepped
            flows = self._meter.flows(now)
            self._built = now, view(outcome, plan, flows, problems, now, self._calendar(), now - at)
        return self._built[1]
