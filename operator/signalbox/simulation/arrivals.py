"""When requests come, and how long they are: the same for every scheduler, drawn from one seed."""

import math
import random
from collections.abc import Iterator
from itertools import accumulate

from signalbox.simulation.jobs import Job
from signalbox.simulation.scenario import Scenario

BURST = 5.0
"""Times the mean rate, in a burst."""
BURST_SECONDS, CALM_SECONDS = 10.0, 110.0
"""The burst is in the middle of both."""
DAY_SWING = 0.5
PREFIX_PART = 0.8
"""Of a prompt that continues a conversation."""


def jobs(scenario: Scenario, seed: int) -> Iterator[Job]:
    """All requests, in order of arrival."""
    rng = random.Random(f"{seed}/arrivals")  # noqa: S311 (a simulation, not a secret)
    lengths = random.Random(f"{seed}/lengths")  # noqa: S311
    ways = random.Random(f"{seed}/ways")  # noqa: S311 (its own, so that more routers change nothing else)
    spread = math.sqrt(math.log1p(scenario.variation**2))
    middle = -spread * spread / 2.0
    places = [(p, r) for p, policy in enumerate(scenario.policies) for r in range(policy.routers)]
    parts = list(accumulate(scenario.policies[p].part / scenario.policies[p].routers for p, _ in places))
    routes = [list(accumulate(route.part for route in policy.routes)) for policy in scenario.policies]
    for number, at in zip(range(scenario.requests), _times(scenario, rng), strict=False):
        job = Job(
            at,
            max(1.0, scenario.output * lengths.lognormvariate(middle, spread)),
            max(1.0, scenario.prompt * lengths.lognormvariate(middle, spread)),
        )
        job.router = ways.choices(range(len(places)), cum_weights=parts)[0] if len(places) > 1 else 0
        job.policy = places[job.router][0]
        if len(routes[job.policy]) > 1:
            job.route = ways.choices(range(len(routes[job.policy])), cum_weights=routes[job.policy])[0]
        if scenario.conversations:
            # A new conversation begins now and then, an old one ends: numbers move on with time.
            job.conversation = number // 10 + lengths.randrange(scenario.conversations)
            job.prefix = PREFIX_PART * job.prompt
        yield job


def _times(scenario: Scenario, rng: random.Random) -> Iterator[float]:
    now, most = 0.0, scenario.rate
    if scenario.arrivals == "Bursty":
        now, most = 0.0, BURST * scenario.rate
    elif scenario.arrivals == "Diurnal":
        most = (1.0 + DAY_SWING) * scenario.rate
    day = scenario.duration / 2.0
    while True:
        now += rng.expovariate(most)
        if scenario.arrivals == "Poisson" or rng.random() * most < _rate(scenario, now, day):
            yield now


def _rate(scenario: Scenario, now: float, day: float) -> float:
    if scenario.arrivals == "Bursty":
        cycle = BURST_SECONDS + CALM_SECONDS
        calm = (cycle - BURST * BURST_SECONDS) / CALM_SECONDS
        return scenario.rate * (BURST if abs(now % cycle - cycle / 2.0) < BURST_SECONDS / 2.0 else calm)
    return scenario.rate * (1.0 + DAY_SWING * math.sin(2.0 * math.pi * now / day))
