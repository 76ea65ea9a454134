"""The promise: of a backend that hangs, with at most half of the traffic, at most 2.5 % of the next five minutes'
requests are sent to it, at 20 requests a second and more; streams and unary requests each.

A simulation by a clock of its own: workers draw a backend by declared shares, an endpoint at random among those that
it admits, and look for overdue requests a few times a second, as the router does.
"""

import heapq
import random
from dataclasses import dataclass, field

import pytest

from signalbox.routing.ejection import BackendHealth, Cause, EndpointHealth
from signalbox.routing.shares import Draws

STEP = 0.25
FIRST_TOKEN = 60.0
REQUEST = 600.0


@dataclass
class Backend:
    endpoints: list[EndpointHealth]
    waiting: dict[EndpointHealth, list[float]] = field(default_factory=dict)
    overdue: set[tuple[int, float]] = field(default_factory=set)

    def admitting(self, now: float) -> list[EndpointHealth]:
        return [endpoint for endpoint in self.endpoints if endpoint.admits(now)]


class Worker:
    """Two backends of which each has half of the traffic; the first hangs from ``HANG`` on."""

    HANG = 120.0

    def __init__(self, endpoints: int, stream: bool, answer: float, chance: random.Random) -> None:
        self.stream, self.answer, self.chance = stream, answer, chance
        self.draws = Draws([1, 1], chance)
        self.backends = [self._backend(endpoints), self._backend(endpoints)]
        self.ends: list[tuple[float, int, EndpointHealth, float]] = []
        self.reached = 0
        self.refused = 0
        self.count = 0

    @staticmethod
    def _backend(endpoints: int) -> Backend:
        health = BackendHealth()
        return Backend([health.endpoint(str(i)) for i in range(endpoints)])

    def request(self, now: float) -> None:
        self.settle(now)
        ready = [backend.admitting(now) for backend in self.backends]
        usable = sum(1 << i for i, endpoints in enumerate(ready) if endpoints)
        position = self.draws.pick(usable)
        if position < 0:
            self.refused += 1
            return
        endpoint = self.chance.choice(ready[position])
        endpoint.started(now)
        hung = position == 0 and now >= self.HANG
        self.reached += hung
        if hung:
            self.backends[0].waiting.setdefault(endpoint, []).append(now)
        else:
            self.count += 1
            end = now + self.chance.uniform(0.5, 1.5) * self.answer
            heapq.heappush(self.ends, (end, self.count, endpoint, now))

    def settle(self, now: float) -> None:
        """Answers of requests that are well. What the hung backend was working on when it hung is lost."""
        while self.ends and self.ends[0][0] <= now:
            end, _, endpoint, start = heapq.heappop(self.ends)
            if end >= self.HANG and endpoint in self.backends[0].endpoints:
                self.backends[0].waiting.setdefault(endpoint, []).append(start)
                continue
            if self.stream:
                endpoint.answered(start, end)
            else:
                endpoint.observe_duration((end - start) * 1000)
            endpoint.succeeded(start, end)

    def check(self, now: float) -> None:
        hung = self.backends[0]
        for endpoint, starts in hung.waiting.items():
            patience = endpoint.patience(self.stream)
            for start in starts:
                key = (id(endpoint), start)
                if now - start > patience and key not in hung.overdue:
                    hung.overdue.add(key)
                    endpoint.overdue(start, now)
            limit = FIRST_TOKEN if self.stream else REQUEST
            for start in [start for start in starts if now - start > limit]:
                starts.remove(start)
                endpoint.failed(start, now, Cause.SLOW)


def simulate(*, rate: float, workers: int, endpoints: int, stream: bool, answer: float, seed: int) -> tuple[float, int]:
    """Share of the five minutes' requests that reached the hung backend, and the number of refused ones."""
    chance = random.Random(seed)
    routers = [Worker(endpoints, stream, answer, chance) for _ in range(workers)]
    now, next_check, total = 0.0, 0.0, 0
    while now < Worker.HANG + 300.0:
        now += chance.expovariate(rate)
        while next_check <= now:
            for router in routers:
                router.settle(next_check)
                router.check(next_check)
            next_check += STEP
        total += now >= Worker.HANG
        chance.choice(routers).request(now)
    return sum(router.reached for router in routers) / total, sum(router.refused for router in routers)


@pytest.mark.parametrize("stream", [True, False], ids=["streams", "unary"])
@pytest.mark.parametrize(
    ("rate", "workers", "endpoints", "answer"),
    [
        pytest.param(20.0, 1, 1, 0.5, id="one endpoint"),
        pytest.param(20.0, 1, 1, 6.0, id="slow answers: patience of 60 s and more"),
        pytest.param(20.0, 1, 4, 1.0, id="four endpoints, of which two may be ejected"),
        pytest.param(20.0, 4, 1, 1.0, id="four workers"),
        pytest.param(100.0, 4, 4, 2.0, id="more of everything"),
    ],
)
def test_at_most_two_and_a_half_percent_reach_a_backend_that_hangs(
    rate: float, workers: int, endpoints: int, answer: float, stream: bool
) -> None:
    share, refused = simulate(rate=rate, workers=workers, endpoints=endpoints, stream=stream, answer=answer, seed=11)
    assert share <= 0.025
    assert refused == 0


@pytest.mark.parametrize("stream", [True, False], ids=["streams", "unary"])
def test_a_backend_that_does_not_hang_keeps_its_share(stream: bool) -> None:
    """The same traffic and slow answers, but nothing hangs: no request is turned away from any backend."""
    worker = Worker(2, stream, 9.0, random.Random(5))
    worker.HANG = 1e9
    chance = random.Random(6)
    now = 0.0
    while now < 300.0:
        now += chance.expovariate(5.0)
        worker.request(now)
        worker.check(now)
        assert all(len(backend.admitting(now)) == 2 for backend in worker.backends)
