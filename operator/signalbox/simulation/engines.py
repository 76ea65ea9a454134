"""A simulated engine: a batch of limited size that shares a rate, and a queue before it. No clock, no chance.

r requests in a batch of at most B together get the rate (r / B)^0.6 of a full one, as was measured on real engines,
each the same part of it. So a *virtual time*, the work that each running request has got since the engine began, tells
all ends: a request ends when it has advanced by the request's work. An event costs O(log n), whatever runs.
"""

import math
from collections import OrderedDict, deque
from heapq import heappop, heappush
from typing import NamedTuple

from signalbox.feedback.readings import PROMPT_WORK, Reading
from signalbox.simulation.jobs import Job

BATCH_EXPONENT = 0.6
"""Of real engines, as measured. The law has a belief of its own."""
KV_PART = 0.8
"""Of the KV cache that a full batch takes."""


class Machine(NamedTuple):
    """``rate`` is tokens/s of a full batch of ``batch`` requests; ``cache`` is prompt tokens that are kept for later
    requests of the same conversation."""

    rate: float
    batch: int
    cache: float = 0.0


class Engine:
    """One endpoint. ``version`` changes with whatever changes ``due``; times never go back. ``hits`` of all
    ``prompted`` tokens were in the cache, since the beginning."""

    __slots__ = (
        "_cache",
        "_clock",
        "_finished",
        "_heap",
        "_kept",
        "_lost",
        "_number",
        "_queue",
        "_queued",
        "_speeds",
        "_virtual",
        "down",
        "hits",
        "machine",
        "prompted",
        "slow",
        "version",
        "worked",
    )

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.slow = 1.0
        self.down = False
        self.version = 0
        self.worked = 0.0
        self._heap: list[tuple[float, int, Job]] = []
        self._queue: deque[Job] = deque()
        self._clock = self._virtual = self._queued = 0.0
        self._number = 0
        self._speeds: list[float] = []
        self._cache: OrderedDict[int, float] = OrderedDict()
        self._kept = 0.0
        self._lost = self.prompted = self.hits = 0.0
        self._finished = 0
        self._pace()

    def _pace(self) -> None:
        rate, batch = self.machine.rate / self.slow, self.machine.batch
        self._speeds = [0.0, *(rate * (r / batch) ** BATCH_EXPONENT / r for r in range(1, batch + 1))]

    @property
    def running(self) -> int:
        """Requests in the batch."""
        return len(self._heap)

    @property
    def waiting(self) -> int:
        """Requests before it."""
        return len(self._queue)

    @property
    def due(self) -> float:
        """When the next request ends, if nothing else happens."""
        heap = self._heap
        if not heap:
            return math.inf
        return self._clock + max(0.0, heap[0][0] - self._virtual) / self._speeds[len(heap)]

    def advance(self, now: float) -> None:
        """Let time pass."""
        running = len(self._heap)
        if running:
            passed = (now - self._clock) * self._speeds[running]
            self._virtual += passed
            self.worked += passed * running
        self._clock = now

    def submit(self, job: Job, now: float, longer: float = 1.0) -> None:
        """Take a request whose answer is ``longer`` times as long here; an engine that is ``down`` takes none."""
        self.advance(now)
        self.version += 1
        job.uncached = self.missing(job)
        self._remember(job)
        job.work = job.output * longer + PROMPT_WORK * job.uncached
        if len(self._heap) < self.machine.batch:
            self._start(job)
        else:
            self._queue.append(job)
            self._queued += job.work

    def end(self, now: float) -> Job:
        """The request that ends now."""
        self.advance(now)
        self.version += 1
        _, _, job = heappop(self._heap)
        self._finished += 1
        if self._queue:
            following = self._queue.popleft()
            self._queued -= following.work
            self._start(following)
        elif not self._heap:
            self._virtual = 0.0  # rounding errors begin anew
        return job

    def fail(self, now: float) -> list[Job]:
        """Die: what it had is lost, its counters too."""
        self.advance(now)
        self.version += 1
        lost = [job for _, _, job in self._heap] + list(self._queue)
        self._heap.clear()
        self._queue.clear()
        self._cache.clear()
        self._virtual = self._queued = self._kept = 0.0
        self._lost, self._finished = self.worked, 0
        self.down = True
        return lost

    def recover(self, now: float) -> None:
        """Come back, empty."""
        self.advance(now)
        self.down = False

    def drift(self, slow: float, now: float) -> None:
        """From now on everything takes ``slow`` times as long as at first."""
        self.advance(now)
        self.version += 1
        self.slow = slow
        self._pace()

    def expected(self, work: float, now: float) -> float:
        """About the seconds until a further request of that much work would end, at the speed with which it begins: who
        knows all lengths knows that. While the batch is full, a slot is free after the next end, and after what waits
        has been done."""
        self.advance(now)
        heap, batch = self._heap, self.machine.batch
        running = len(heap)
        if running < batch:
            return work / self._speeds[running + 1]
        full = self._speeds[batch]
        return (heap[0][0] - self._virtual + self._queued / batch + work) / full

    def reading(self, now: float) -> Reading:
        """What its metrics say."""
        self.advance(now)
        running = len(self._heap)
        return Reading(
            at=now,
            running=running,
            waiting=len(self._queue),
            kv_usage=KV_PART * running / self.machine.batch,
            generated=self.worked - self._lost,
            prompted=self.prompted,
            cached=self.prompted,  # its work is in ``generated``, spread over the time that it takes
            finished=self._finished,
        )

    def missing(self, job: Job) -> float:
        """Prompt tokens that it would have to compute: those that no request of the conversation has left there."""
        return job.prompt - min(self._cache.get(job.conversation, 0.0), job.prefix)

    def _start(self, job: Job) -> None:
        self._number += 1
        heappush(self._heap, (self._virtual + job.work, self._number, job))

    def _remember(self, job: Job) -> None:
        self.prompted += job.prompt
        self.hits += job.prompt - job.uncached
        room = self.machine.cache
        if not room or job.conversation < 0:
            return
        self._kept += job.prompt - self._cache.pop(job.conversation, 0.0)
        self._cache[job.conversation] = job.prompt
        while self._kept > room:
            _, tokens = self._cache.popitem(last=False)
            self._kept -= tokens
