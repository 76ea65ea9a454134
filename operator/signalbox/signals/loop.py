"""The loop: what engines and routers say goes in, the law is stepped, weights come out.

Whoever runs it feeds it and hands on what it says. It never blocks and never raises: a defect is logged, and the
weights that are in force stay.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Protocol

import msgspec

from signalbox.control.messages import RouteWeights, SetWeights, Traffic
from signalbox.feedback import law
from signalbox.feedback.backends import Sight
from signalbox.feedback.law import Outcome, State
from signalbox.feedback.plan import INTERVAL, Plan, Scrape, SetKey, TargetSet
from signalbox.feedback.readings import Reading
from signalbox.signals.message import Steering, in_force, spills_in_force, steering
from signalbox.signals.schedule import STEP, following, turn
from signalbox.signals.totals import Totals

# A router reports every second; one that was not heard for so long has gone.
LIVE_SECONDS = 10.0
# For so long a new leader waits for what routers that it has not heard yet have in force.
SETTLE_SECONDS = 5.0
# News are acted on at once, but not more often than this.
URGENT_SECONDS = 0.5
# So many sets and backends together take ten milliseconds: more are stepped beside the event loop.
MANY = 300
DEFECT_SECONDS = 1.0
# Of an interval. The next step comes when the newest samples are in, and so much later than the last one at least,
# which is when the law moves weights again.
LEAST_PERIOD = 0.9
_FAR = 1e9

_log = logging.getLogger(__name__)


class Source(Protocol):
    """Who asks engines: a ``signals.scraper.Scraper``, or a part of one."""

    def follow(self, targets: Iterable[Scrape]) -> None:
        """Ask these from now on."""

    def readings(self, backend: str) -> Mapping[str, Reading]:
        """The newest of each endpoint."""


class Step(msgspec.Struct, frozen=True):
    """What came of one step: the plan that was in force, the outcome, and what routers are to be told."""

    plan: Plan
    outcome: Outcome
    steering: Steering


class Loop:
    """One namespace. ``clock`` gives the seconds of readings; ``publish`` is told after each step, and waited for.
    ``settle`` is how long to wait for what routers have in force, for who begins where another one may have been.
    ``observe`` hears how many seconds each step took; ``owner`` is whose targets they are for the scraper, which tells
    when it asks them."""

    def __init__(
        self,
        source: Source,
        clock: Callable[[], float],
        publish: Callable[[Step], Awaitable[None]],
        settle: float = 0.0,
        observe: Callable[[float], None] = lambda seconds: None,
        owner: str = "",
    ) -> None:
        self._source, self._clock, self._publish, self._settle = source, clock, publish, settle
        self._observe = observe
        self._state = State()
        self._in_force: dict[SetKey, SetWeights] = {}
        self._spills: dict[SetKey, float] = {}
        self._missing: set[SetKey] = set()
        self._out: frozenset[str] = frozenset()
        self._wake = asyncio.Event()
        self._phase = turn(owner) + STEP
        self._began = self._stepped_at = -_FAR
        self._regular_due = -_FAR
        self._interval = _FAR
        self._urgent = False
        self.plan = Plan()
        self._sets: Mapping[SetKey, TargetSet] = {}
        self.totals = Totals()

    def use(self, plan: Plan, targets: Iterable[Scrape]) -> None:
        """This is in force now. What is remembered of that which stays is kept. Nothing is computed of sets that are
        ``Disabled``, but routers hear of the load of their backends."""
        self._source.follow(targets)
        if self._interval < _FAR and plan == self.plan:
            return
        if self._interval == _FAR:
            self._began = self._clock()
        self.plan = plan
        self._sets = sets = {key: each for key, each in plan.sets.items() if each.mode != "Disabled"}
        self.totals.keep(plan.backends.keys())
        self._interval = min((each.interval for each in sets.values()), default=INTERVAL)
        self._regular_due = min(self._regular_due, self._clock() + self._interval)
        self._missing = sets.keys() - self._state.sets.keys()
        self._in_force = {key: said for key, said in self._in_force.items() if key in sets}
        self._soon()

    def report(
        self, router: str, backends: Mapping[str, Traffic], weights: Mapping[str, Mapping[str, RouteWeights]]
    ) -> None:
        """A router says what it counted, and which weights it goes by."""
        self.totals.take(router, backends, self._clock())
        if weights and self._missing:
            said = in_force(weights, self.plan)
            self._in_force.update({key: said[key] for key in self._missing & said.keys()})
            self._spills.update(spills_in_force(weights, self.plan))
            if self._in_force:
                self._soon()
        if self.totals.unreachable != self._out:
            self._soon()

    def gone(self, router: str) -> None:
        """A router will not report again."""
        self.totals.leave(router)

    async def run(self) -> None:
        """Step, until cancelled."""
        while True:
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self.due()):
                    await self._wake.wait()
            try:
                if self.due() <= 0.0:
                    await self.act()
            except Exception:
                _log.exception("the feedback loop: a defect; weights stay as they are")
                await asyncio.sleep(DEFECT_SECONDS)

    def due(self) -> float:
        """In how many seconds there is something to do."""
        at = self._regular_due if self._interval < _FAR else _FAR
        if self._urgent:
            at = min(at, self._stepped_at + URGENT_SECONDS)
        if self._missing and self._stepped_at < self._began + self._settle:
            at = min(at, self._began + self._settle)
        return max(0.0, at - self._clock())

    async def act(self) -> None:
        """Step now."""
        await self._publish(await self._decided())

    async def _decided(self) -> Step:
        plan, sets, now = self.plan, self._sets, self._clock()
        # Between two periods only what is usable counts: rates over so short a time would be noise.
        regular = now >= self._regular_due
        if regular:
            self._regular_due = following(self._phase, self._interval, now + LEAST_PERIOD * self._interval)
        self._stepped_at = now
        self._urgent = False
        self.totals.expire(now - LIVE_SECONDS)
        self._out = self.totals.unreachable
        state = self._adopted(now)
        awaited: frozenset[str] = frozenset()
        if now < self._began + self._settle:
            awaited = frozenset(key.policy for key in sets if key not in state.sets)
            sets = {key: each for key, each in sets.items() if key in state.sets}
        sights = {name: self._sight(name, regular=regular) for name in plan.backends}
        began = time.perf_counter()
        if len(sets) + len(plan.backends) < MANY:
            step = _step(state, plan, sets, sights, now, awaited)
        else:
            step = await asyncio.to_thread(_step, state, plan, sets, sights, now, awaited)
        self._observe(time.perf_counter() - began)
        self._state = step.outcome.state
        self._missing = self._sets.keys() - self._state.sets.keys()
        return step

    def _adopted(self, now: float) -> State:
        """With what routers go by, where we know of nothing better."""
        said = {key: self._in_force[key] for key in self._missing & self._in_force.keys()}
        spills = self._spills
        self._in_force, self._spills = {}, {}
        effective = {key: each.effective for key, each in said.items()}
        bases = {key: each.base for key, each in said.items()}
        return law.adopt(self._state, effective, bases, now, spills) if said else self._state

    def _sight(self, backend: str, *, regular: bool) -> Sight:
        return Sight(
            readings=dict(self._source.readings(backend)),
            traffic=self.totals.traffic(backend) if regular else None,
            reachable=backend not in self._out,
        )

    def _soon(self) -> None:
        self._urgent = True
        self._wake.set()


def _step(
    state: State,
    plan: Plan,
    sets: Mapping[SetKey, TargetSet],
    sights: Mapping[str, Sight],
    now: float,
    awaited: frozenset[str],
) -> Step:
    outcome = law.step(state, msgspec.structs.replace(plan, sets=sets), sights, now)
    return Step(plan, outcome, steering(plan, outcome, now, awaited))
