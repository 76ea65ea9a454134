"""A simulated router: what it has sent, whom it has given up, and how it takes the next target."""

import random
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

from signalbox.routing import affinity
from signalbox.routing.backlog import Backlog
from signalbox.routing.ejection import BackendHealth, Cause, EndpointHealth
from signalbox.simulation.jobs import Job

BUSY_SECONDS = 1.0
"""How long a backend is left alone after a 429 that says nothing of it."""


class Place(NamedTuple):
    """An endpoint as affinity looks at it."""

    number: int
    seed: int
    in_flight: int


class Router:
    """One worker of a router. ``backlogs`` go by backend, ``flights`` and health by backend and endpoint."""

    __slots__ = (
        "_cooling",
        "_endpoints",
        "_health",
        "_seeds",
        "_troubled",
        "backlogs",
        "busy",
        "completed",
        "flights",
        "policy",
        "random",
        "work",
    )

    def __init__(self, policy: int, backends: int, chance: random.Random) -> None:
        self.policy = policy
        self.random = chance
        self.backlogs = [Backlog(0.0) for _ in range(backends)]
        self.completed = [0] * backends
        self.busy = [0] * backends
        self.work = [0.0] * backends
        self.flights: list[list[int]] = [[] for _ in range(backends)]
        self._seeds: list[list[int]] = [[] for _ in range(backends)]
        self._endpoints: list[list[EndpointHealth]] = [[] for _ in range(backends)]
        self._troubled: set[int] = set()
        self._cooling: dict[int, float] = {}
        self._health = [BackendHealth(on_change=self._changed(position)) for position in range(backends)]

    def grow(self, backend: int, endpoints: int) -> None:
        """Hear of endpoints, which are only ever added."""
        for number in range(len(self.flights[backend]), endpoints):
            self.flights[backend].append(0)
            self._seeds[backend].append(affinity.seed_of(f"{backend}/{number}"))
            self._endpoints[backend].append(self._health[backend].endpoint(number))

    def blocked(self, now: float, ready: Sequence[Sequence[int]]) -> int:
        """Bitmask of backends that cannot be used now."""
        if not self._troubled and not self._cooling:
            return 0
        mask = 0
        for backend, until in list(self._cooling.items()):
            if now < until:
                mask |= 1 << backend
            else:
                del self._cooling[backend]
        for backend in self._troubled:
            if not self.usable(backend, now, ready[backend]):
                mask |= 1 << backend
        return mask

    def usable(self, backend: int, now: float, ready: Sequence[int]) -> list[int]:
        """Endpoints of a backend that may get a request; ejected ones only as a probe."""
        if backend not in self._troubled:
            return list(ready)
        found = self._endpoints[backend]
        return [e for e in ready if not found[e].ejected or found[e].admits(now)]

    def keeper(self, backend: int, among: Sequence[int], conversation: int, percent: int) -> int:
        """The endpoint that keeps a conversation."""
        seeds, flights = self._seeds[backend], self.flights[backend]
        places = [Place(endpoint, seeds[endpoint], flights[endpoint]) for endpoint in among]
        return affinity.choose(affinity.seed_of(str(conversation)), places, percent).number

    def gave_up(self, backend: int, ready: Sequence[int]) -> bool:
        """Whether it has no endpoint of the backend left, as it says in its reports."""
        return backend in self._troubled and all(self._endpoints[backend][e].ejected for e in ready)

    def sent(self, job: Job, backend: int, endpoint: int, now: float) -> None:
        """An attempt begins."""
        self.backlogs[backend].began(now)
        self.flights[backend][endpoint] += 1
        self._endpoints[backend][endpoint].started(now)
        job.sent = now

    def finished(self, job: Job, backend: int, endpoint: int, now: float) -> None:
        """It ended well."""
        self._left(backend, endpoint, now)
        self.completed[backend] += 1
        self.work[backend] += job.work
        self._endpoints[backend][endpoint].succeeded(job.sent, now)

    def failed(self, job: Job, backend: int, endpoint: int, now: float, cause: Cause) -> None:
        """It failed."""
        self._left(backend, endpoint, now)
        self._endpoints[backend][endpoint].failed(job.sent, now, cause)

    def refused(self, job: Job, backend: int, endpoint: int, now: float) -> None:
        """It was answered 429."""
        self._left(backend, endpoint, now)
        self.busy[backend] += 1
        self._cooling[backend] = now + BUSY_SECONDS
        self._endpoints[backend][endpoint].abandoned(job.sent, now)

    def _left(self, backend: int, endpoint: int, now: float) -> None:
        self.backlogs[backend].ended(now)
        self.flights[backend][endpoint] -= 1

    def _changed(self, backend: int) -> Callable[[Hashable, bool, Cause], None]:
        def changed(_: Hashable, __: bool, ___: Cause) -> None:
            if any(each.ejected for each in self._endpoints[backend]):
                self._troubled.add(backend)
            else:
                self._troubled.discard(backend)

        return changed
