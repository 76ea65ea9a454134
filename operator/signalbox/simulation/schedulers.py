"""How a router chooses a target: the law, and whom it is compared with.

Whatever goes by weight is drawn by the code of the real router, for the others as well.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

from signalbox.feedback.backends import Load
from signalbox.feedback.law import Outcome
from signalbox.feedback.plan import SetKey
from signalbox.routing import config
from signalbox.routing.backlog import Backlog
from signalbox.routing.strategies import compile_strategy
from signalbox.simulation.jobs import Job
from signalbox.simulation.scenario import Backend, Route, Target

Scheduler = Literal["Law", "Omniscient", "LeastInFlight", "Static", "InverseQueue", "Uniform"]
SCHEDULERS: tuple[Scheduler, ...] = ("Law", "Omniscient", "LeastInFlight", "Static", "InverseQueue", "Uniform")

PARTS = 1_000
"""Static weights as integers, in relation to the smallest."""

Expected = Callable[[Job, int], float]
"""Seconds until a job would end at a backend: only the omniscient scheduler may ask."""


class Choice(Protocol):
    """One route as one router sees it; backends go by position."""

    def pick(self, usable: int, job: Job) -> int:
        """A backend out of the bitmask; -1 when none of it may be used."""
        ...


class Real:
    """A strategy of the real router."""

    def __init__(
        self, route: Route, names: Sequence[str], weigh: Callable[[Target], int], chance: random.Random, *, free: bool
    ) -> None:
        tiers = [
            config.Tier(
                targets=tuple(config.Share(target=t.backend, weight=weigh(t)) for t in tier),
                free=free and all(t.weight is None for t in tier),
            )
            for tier in route.tiers
        ]
        spill = config.Spill(from_percent=0, to_percent=100) if free and route.spill else None
        strategy: config.Strategy = (
            config.Weighted(targets=tiers[0].targets, free=tiers[0].free)
            if len(tiers) == 1
            else config.Failover(tiers=tuple(tiers), spill=spill)
        )
        self._names = {name: position for position, name in enumerate(names)}
        self._choice = compile_strategy(strategy, self._names, chance)

    def pick(self, usable: int, job: Job) -> int:
        """See ``Choice``."""
        usable &= self._choice.mask
        return self._choice.next(usable) if job.tried else self._choice.first(usable)

    def steer(self, sets: Sequence[Mapping[str, float]], spill: float, backlogs: Sequence[Backlog] | None) -> None:
        """Weights by backend, of each tier."""
        weights = [[each.get(name, 0.0) for name in self._names] for each in sets]
        self._choice.steer([each if any(each) else None for each in weights], spill, backlogs)


class _InTiers:
    """The first tier of which anything is usable. Several targets may be one backend; weight 0 means never."""

    def __init__(self, route: Route, names: Sequence[str]) -> None:
        positions = {name: position for position, name in enumerate(names)}
        tiers = [{positions[t.backend] for t in tier if t.weight != 0} for tier in route.tiers]
        self._masks = [sum(1 << position for position in tier) for tier in tiers]

    def pick(self, usable: int, job: Job) -> int:
        """See ``Choice``."""
        among = next((mask & usable for mask in self._masks if mask & usable), 0)
        return min(self._rank(position, job) for position in _positions(among))[1] if among else -1

    def _rank(self, position: int, job: Job) -> tuple[tuple[float, float], int]:
        raise NotImplementedError


class LeastInFlight(_InTiers):
    """The fewest requests of one's own; chance among equals."""

    def __init__(self, route: Route, names: Sequence[str], backlogs: Sequence[Backlog], chance: random.Random) -> None:
        super().__init__(route, names)
        self._backlogs, self._random = backlogs, chance

    def _rank(self, position: int, job: Job) -> tuple[tuple[float, float], int]:
        return (self._backlogs[position].in_flight, self._random.random()), position


class Omniscient(_InTiers):
    """Where the request would end first, by every queue and every length."""

    def __init__(self, route: Route, names: Sequence[str], expected: Expected) -> None:
        super().__init__(route, names)
        self._expected = expected

    def _rank(self, position: int, job: Job) -> tuple[tuple[float, float], int]:
        return (self._expected(job, position), 0.0), position


def choice(
    kind: Scheduler,
    route: Route,
    backends: Sequence[Backend],
    backlogs: Sequence[Backlog],
    chance: random.Random,
    expected: Expected,
) -> Choice:
    """How a route is gone. Static weights are declared ones, or the capacity that a backend has at first."""
    names = [backend.name for backend in backends]
    if kind == "Omniscient":
        return Omniscient(route, names, expected)
    if kind == "LeastInFlight":
        return LeastInFlight(route, names, backlogs, chance)
    rates = {backend.name: backend.rate for backend in backends}
    least = min(rates.values())

    def weigh(target: Target) -> int:
        if target.weight is not None:
            return target.weight
        return round(PARTS * rates[target.backend] / least) if kind == "Static" else 1

    return Real(route, names, weigh, chance, free=kind in {"Law", "InverseQueue"})


def by_law(
    outcome: Outcome, keys: Sequence[SetKey], backends: Mapping[SetKey, Mapping[str, str]]
) -> list[dict[str, float]]:
    """The weights of a route's tiers, by backend."""
    found = []
    for key in keys:
        weights: dict[str, float] = {}
        for each in outcome.weights[key]:
            backend = backends[key][each.target]
            weights[backend] = weights.get(backend, 0.0) + each.effective
        found.append(weights)
    return found


def inverse_queue(loads: Mapping[str, Load], names: Sequence[str]) -> dict[str, float]:
    """The naive law: whoever has the fewer requests gets the more, in inverse proportion."""
    weights = {name: 1.0 / (1.0 + loads[name].in_system) for name in names}
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def _positions(mask: int) -> list[int]:
    return [position for position in range(mask.bit_length()) if mask >> position & 1]
