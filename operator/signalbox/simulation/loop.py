"""The operator of a simulation: it scrapes, hears reports, steps the real law, and says what follows."""

import random
from collections.abc import Mapping

from signalbox.feedback import law
from signalbox.feedback.backends import Sight
from signalbox.feedback.plan import Backend, Plan, SetKey, Share, Spill, TargetSet
from signalbox.feedback.readings import Reading
from signalbox.feedback.traffic import Traffic
from signalbox.simulation.scenario import Scenario

Counters = tuple[int, int, int, float, int]
"""Of one router and backend: started, completed, busy, work, in flight."""


class Loop:
    """Samples by backend and endpoint, counters by router, and the law's state."""

    def __init__(self, scenario: Scenario, chance: random.Random) -> None:
        self.scenario = scenario
        self.random = chance
        self.state = law.State()
        self.readings: dict[str, dict[str, Reading]] = {each.name: {} for each in scenario.backends}
        self.ready: dict[str, tuple[str, ...]] = {
            each.name: tuple(str(n) for n in range(each.endpoints)) for each in scenario.backends
        }
        self._reports: dict[int, tuple[list[Counters], int]] = {}
        self._heard_at = 0.0

    def scraped(self, backend: str, endpoint: int, reading: Reading) -> None:
        """A reading has arrived."""
        self.readings[backend][str(endpoint)] = reading

    def reported(self, router: int, counters: list[Counters], gave_up: int, now: float) -> None:
        """A report has arrived; ``gave_up`` is the bitmask of backends of which it has no endpoint left."""
        self._reports[router] = (counters, gave_up)
        self._heard_at = now

    def plan(self) -> Plan:
        """What the operator knows of the backends at this moment."""
        backends = {each.name: self._backend(number) for number, each in enumerate(self.scenario.backends)}
        sets, spills = {}, {}
        for policy in self.scenario.policies:
            if policy.mode == "Disabled":
                continue
            for route in policy.routes:
                for tier, targets in enumerate(route.tiers):
                    sets[SetKey(policy.name, route.name, tier)] = TargetSet(
                        shares=tuple(Share(t.name or t.backend, t.backend, t.weight) for t in targets),
                        mode=policy.mode,
                        interval=policy.interval,
                        stale_after=policy.stale_after,
                    )
                if route.spill is not None:
                    spills[SetKey(policy.name, route.name)] = Spill(*route.spill)
        return Plan(backends=backends, sets=sets, spills=spills)

    def step(self, now: float) -> law.Outcome:
        """One step of the law."""
        outcome = law.step(self.state, self.plan(), self._sights(), now)
        self.state = outcome.state
        return outcome

    def _backend(self, number: int) -> Backend:
        each = self.scenario.backends[number]
        batch = each.declared if each.batch_declared is None else each.batch_declared
        return Backend(
            name=each.name,
            model=each.model or each.name,
            engine="None" if each.metrics == "None" else "VLLM",
            endpoints=self.ready[each.name],
            concurrency=float(each.machine.batch) if batch else None,
            tokens_per_second=each.machine.rate if each.declared else None,
            slow_start=each.slow_start,
            max_in_flight=each.limit,
            tokens_per_minute=each.tokens_per_minute,
        )

    def _sights(self) -> Mapping[str, Sight]:
        found = {}
        for number, each in enumerate(self.scenario.backends):
            heard = [counters[number] for counters, _ in self._reports.values()]
            traffic = (
                Traffic(
                    at=self._heard_at,
                    started=sum(c[0] for c in heard),
                    completed=sum(c[1] for c in heard),
                    busy=sum(c[2] for c in heard),
                    output_tokens=round(sum(c[3] for c in heard)),
                    in_flight=sum(c[4] for c in heard),
                )
                if heard
                else None
            )
            gone = bool(self._reports) and all(mask >> number & 1 for _, mask in self._reports.values())
            found[each.name] = Sight(readings=dict(self.readings[each.name]), traffic=traffic, reachable=not gone)
        return found
