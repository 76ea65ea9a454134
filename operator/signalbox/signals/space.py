"""The loop of one namespace, with what people and autoscalers see of it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol

import msgspec

from signalbox.control.messages import RouteWeights, Traffic, Ways
from signalbox.feedback.plan import Plan, Scrape
from signalbox.signals.board import Board
from signalbox.signals.flows import WINDOW_SECONDS
from signalbox.signals.history import Room
from signalbox.signals.loop import Loop, Source, Step
from signalbox.signals.telemetry import Seen, Work


class Engines(Source, Protocol):
    """Who asks engines, and says why one could not be read."""

    def problems(self, backend: str) -> Mapping[str, str]:
        """By endpoint."""


class Space:
    """See ``Loop``, which this feeds. ``seen`` is for metrics, as of the newest step: a thread may read it.

    ``publish`` is for routers, and comes first; ``told`` is for whoever may hear of a step a moment later, and waited
    for. ``work`` hears how long steps took; ``name`` is that of the namespace, "" where there is only one; ``room`` is
    what the past of all boards together may take.
    """

    def __init__(
        self,
        engines: Engines,
        clock: Callable[[], float],
        publish: Callable[[Step], None],
        work: Work,
        name: str = "",
        settle: float = 0.0,
        room: Room | None = None,
        told: Callable[[Seen], Awaitable[None]] | None = None,
    ) -> None:
        self._engines, self._publish, self._name, self._told = engines, publish, name, told
        self.loop = Loop(engines, clock, self._stepped, settle, work.stepped, name)
        self.board = Board(clock, room=room)
        self.plan = Plan()
        self.seen: Seen | None = None

    def use(self, plan: Plan, targets: Iterable[Scrape]) -> None:
        """This is in force now."""
        self.plan = plan
        self.loop.use(plan, targets)

    def report(
        self,
        router: str,
        backends: Mapping[str, Traffic],
        weights: Mapping[str, Mapping[str, RouteWeights]],
        sent: Ways,
    ) -> None:
        """A router says how it is."""
        self.loop.report(router, backends, weights)
        self.board.report(router, backends, sent)

    def gone(self, router: str) -> None:
        """A router will not report again."""
        self.loop.gone(router)
        self.board.gone(router)

    def problems(self) -> dict[str, Mapping[str, str]]:
        """By backend and endpoint, of those that could not be read."""
        return {name: dict(found) for name in self.plan.backends if (found := self._engines.problems(name))}

    async def _stepped(self, step: Step) -> None:
        """Of very many backends it takes a while until people see all: routers are written to meanwhile."""
        self._publish(step)
        await asyncio.sleep(0)
        problems = self.problems()
        self.board.show(step.outcome, step.plan, problems)
        await asyncio.sleep(0)
        self.seen = self._see(step, problems)
        if self._told is not None:
            await self._told(self.seen)

    def _see(self, step: Step, problems: Mapping[str, Mapping[str, str]]) -> Seen:
        made = Seen(namespace=self._name, plan=step.plan, outcome=step.outcome, problems=problems)
        flows = self.board.flows()
        if flows.seconds < WINDOW_SECONDS:
            return made  # too little has been heard: it would look as if nothing were wanted
        answered = {
            policy: {route: {name: way.requests for name, way in targets.items()} for route, targets in routes.items()}
            for policy, routes in flows.ways.items()
        }
        shed = {name: flow.shed for name, flow in flows.backends.items()}
        return msgspec.structs.replace(made, answered=answered, shed=shed)
