"""How a router chooses among the targets of a set: the law and whom it is compared with.

Whatever is drawn by weight is drawn as the router draws declared shares, which is better than by independent chance.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

from signalbox.feedback.backends import Load
from signalbox.routing.shares import Draws
from signalbox.simulation.jobs import Job
from signalbox.simulation.scenario import Backend, Target
from signalbox.simulation.steering import Counted, Steering

Scheduler = Literal["Law", "Omniscient", "LeastInFlight", "Static", "InverseQueue", "Uniform"]
SCHEDULERS: tuple[Scheduler, ...] = ("Law", "Omniscient", "LeastInFlight", "Static", "InverseQueue", "Uniform")

PARTS = 1_000_000
"""Weights as integers, as draws take them."""

Expected = Callable[[Job, int], float]
"""Seconds until a job would end at a backend: only the omniscient scheduler may ask."""


class Choice(Protocol):
    """One set of targets as one router sees it; targets are named by the positions of their backends."""

    def pick(self, among: int, job: Job, counted: Sequence[Counted]) -> int:
        """A backend out of the bitmask; -1 when none of it may be used."""
        ...


class Drawn:
    """By weight."""

    def __init__(self, weights: Sequence[float], chance: random.Random) -> None:
        self._random = chance
        self.weigh(weights)

    def weigh(self, weights: Sequence[float]) -> None:
        """Other weights from now on."""
        total = sum(weights) or 1.0
        self._draws = Draws([round(PARTS * weight / total) for weight in weights], self._random)

    def pick(self, among: int, job: Job, counted: Sequence[Counted]) -> int:
        """See ``Choice``."""
        return self._draws.redraw(among) if job.tried else self._draws.pick(among)


class Steered:
    """By weight and by who is less behind now."""

    def __init__(self, weights: Sequence[float], chance: random.Random) -> None:
        self.steering = Steering(weights, chance)

    def hear(
        self, weights: Sequence[float], loads: Sequence[Load | None], counted: Sequence[Counted], now: float
    ) -> None:
        """Weights and loads from the operator."""
        self.steering.weigh(weights)
        for position, load in enumerate(loads):
            if load is not None and load.observed_at is not None:
                self.steering.sampled(position, load.in_system, load.observed_at, load.arrivals, counted[position], now)

    def pick(self, among: int, job: Job, counted: Sequence[Counted]) -> int:
        """See ``Choice``."""
        return self.steering.pick(among, counted)


class LeastInFlight:
    """The fewest requests of one's own; chance among equals."""

    def __init__(self, chance: random.Random) -> None:
        self._random = chance

    def pick(self, among: int, job: Job, counted: Sequence[Counted]) -> int:
        """See ``Choice``."""
        draw = self._random.random
        found = [(c.in_flight, draw(), p) for p, c in enumerate(counted) if among >> p & 1]
        return min(found)[2] if found else -1


class Omniscient:
    """Where the request would end first, by every queue and every length."""

    def __init__(self, expected: Expected) -> None:
        self._expected = expected

    def pick(self, among: int, job: Job, counted: Sequence[Counted]) -> int:
        """See ``Choice``."""
        found = [(self._expected(job, p), p) for p in range(len(counted)) if among >> p & 1]
        return min(found)[1] if found else -1


def choice(
    kind: Scheduler,
    targets: Sequence[Target],
    positions: Mapping[str, int],
    backends: Sequence[Backend],
    chance: random.Random,
    expected: Expected,
) -> Choice:
    """The choice among ``targets``. Static weights are declared ones, or the capacity that a backend has at first."""
    weights = [0.0] * len(backends)
    declared = any(target.weight is not None for target in targets)
    for target in targets:
        position = positions[target.backend]
        if declared:
            weights[position] = float(target.weight or 0)
        else:
            weights[position] = backends[position].rate if kind == "Static" else 1.0
    if kind == "Omniscient":
        return Omniscient(expected)
    if kind == "LeastInFlight":
        return LeastInFlight(chance)
    if kind == "Law" and not declared:
        return Steered(weights, chance)
    return Drawn(weights, chance)


def inverse_queue(loads: Mapping[str, Load]) -> dict[str, float]:
    """The naive law: whoever has the fewer requests gets the more, in inverse proportion."""
    return {name: 1.0 / (1.0 + load.in_system) for name, load in loads.items()}
