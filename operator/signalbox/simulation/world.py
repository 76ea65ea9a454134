"""One run: everything of a scenario that happens, in order, under one scheduler."""

import random
from collections.abc import Callable, Mapping

from signalbox.feedback import law
from signalbox.feedback.backends import Load
from signalbox.feedback.plan import SetKey
from signalbox.feedback.readings import PROMPT_WORK, Reading
from signalbox.routing.ejection import Cause
from signalbox.simulation.arrivals import jobs
from signalbox.simulation.clock import Clock
from signalbox.simulation.engines import Engine
from signalbox.simulation.jobs import Job, Outcome
from signalbox.simulation.loop import Counters, Loop
from signalbox.simulation.records import Records
from signalbox.simulation.routers import Router
from signalbox.simulation.scenario import Change, Scenario
from signalbox.simulation.schedulers import Choice, Real, Scheduler, by_law, choice, inverse_queue

REPORT_SECONDS = 1.0
SCRAPE_SPREAD, STEP = 0.1, 0.2
"""Of an interval: scrapes are spread over so much of it, the step comes at that time, as in ``signals.schedule``."""


class World:
    """Engines, routers and the operator's loop on one clock. ``seed`` says what is asked, ``draws`` (where it is not
    the same) what chance has its way in otherwise."""

    def __init__(
        self, scenario: Scenario, scheduler: Scheduler, seed: int, *, every: float = 1.0, draws: int | None = None
    ) -> None:
        draws = seed if draws is None else draws
        self.scenario = scenario
        self.scheduler = scheduler
        self.clock = Clock()
        self.records = Records(scenario, every)
        self._positions = {each.name: number for number, each in enumerate(scenario.backends)}
        self._everybody = (1 << len(scenario.backends)) - 1
        self._engines = [[Engine(each.machine) for _ in range(each.endpoints)] for each in scenario.backends]
        self._ready = [list(range(each.endpoints)) for each in scenario.backends]
        self._chance = random.Random(f"{draws}/chance")  # noqa: S311 (a simulation, not a secret)
        self._loop = Loop(scenario, random.Random(f"{draws}/loop"))  # noqa: S311
        self._routers: list[Router] = []
        self._choices: list[list[Choice]] = []
        for number, policy in enumerate(scenario.policies):
            for worker in range(policy.routers):
                chance = random.Random(f"{draws}/{policy.name}/{worker}")  # noqa: S311
                router = Router(number, len(scenario.backends), chance)
                for position, each in enumerate(scenario.backends):
                    router.grow(position, each.endpoints)
                self._routers.append(router)
                self._choices.append(
                    [
                        choice(scheduler, route, scenario.backends, router.backlogs, chance, self._expected)
                        for route in policy.routes
                    ]
                )
        self._jobs = jobs(scenario, seed)
        self._left = 1
        self.progress: Callable[[float], None] | None = None

    def run(self) -> Records:
        """All of it, until the last request has ended."""
        clock, scenario = self.clock, self.scenario
        self._next()
        for change in scenario.changes:
            clock.at(change.at * scenario.duration, self._change, change)
        interval = min((policy.interval for policy in scenario.policies), default=5.0)
        if self.scheduler in {"Law", "InverseQueue"}:
            for position, engines in enumerate(self._engines):
                for endpoint in range(len(engines)):
                    self._scrapes(position, endpoint, interval)
            clock.at(interval * STEP + scenario.scrape_delay, self._step, interval)
            for number in range(len(self._routers)):
                clock.at(REPORT_SECONDS * (number + 0.5) / len(self._routers), self._report, number)
        clock.at(0.0, self._record)
        clock.run(lambda: self._left > 0)
        engines = [engine for each in self._engines for engine in each]
        self.records.cached = sum(engine.hits for engine in engines) / max(1.0, sum(e.prompted for e in engines))
        self.records.close(clock.now, [[engine.worked for engine in each] for each in self._engines])
        return self.records

    # Requests

    def _next(self) -> None:
        job = next(self._jobs, None)
        if job is None:
            self._left -= 1
            return
        self._left += 1
        self.clock.at(job.arrived, self._arrive, job)

    def _arrive(self, job: Job) -> None:
        self._next()
        self._send(job)

    def _send(self, job: Job) -> None:
        """Try targets until one takes it."""
        now, router = self.clock.now, self._routers[job.router]
        full = False
        while True:
            backend = self._target(job, router, now)
            if backend < 0:
                self._end(job, "Shed" if full else "Failed")
                return
            endpoint = self._endpoint(router, backend, job)
            if endpoint < 0:
                job.tried |= 1 << backend
                continue
            engine, spec = self._engines[backend][endpoint], self.scenario.backends[backend]
            at_limit = spec.limit is not None and self._in_system(backend) >= spec.limit
            if at_limit and not spec.refuses:
                job.tried |= 1 << backend
                full = True
                continue
            router.sent(job, backend, endpoint, now)
            if engine.down:
                router.failed(job, backend, endpoint, now, Cause.CONNECT)
                job.tried |= 1 << backend
            elif at_limit:
                router.refused(job, backend, endpoint, now)
                job.tried |= 1 << backend
                full = True
            else:
                self._submit(job, backend, endpoint, engine)
                return

    def _in_system(self, backend: int) -> int:
        return sum(engine.running + engine.waiting for engine in self._engines[backend])

    def _submit(self, job: Job, backend: int, endpoint: int, engine: Engine) -> None:
        job.place = backend
        longer = self.scenario.backends[backend].longer
        engine.submit(job, self.clock.now, longer)
        self.clock.at(engine.due, self._complete, backend, endpoint, engine, engine.version)

    def _complete(self, backend: int, endpoint: int, engine: Engine, version: int) -> None:
        if version != engine.version:
            return
        now = self.clock.now
        job = engine.end(now)
        if engine.running:
            self.clock.at(engine.due, self._complete, backend, endpoint, engine, engine.version)
        self._routers[job.router].finished(job, backend, endpoint, now)
        self._end(job, "Done")

    def _end(self, job: Job, outcome: Outcome) -> None:
        job.ended = self.clock.now
        job.outcome = outcome
        self._left -= 1
        self.records.ended(job)

    def _target(self, job: Job, router: Router, now: float) -> int:
        usable = self._everybody & ~job.tried & ~router.blocked(now, self._ready)
        return self._choices[job.router][job.route].pick(usable, job) if usable else -1

    def _endpoint(self, router: Router, backend: int, job: Job) -> int:
        """The one that keeps the conversation, or of two by chance the one with fewer requests. Who is omniscient
        takes the best of all."""
        ready = router.usable(backend, self.clock.now, self._ready[backend])
        if len(ready) < 2:
            return ready[0] if ready else -1
        if self.scheduler == "Omniscient":
            return min((self._expect(job, backend, endpoint), endpoint) for endpoint in ready)[1]
        percent = self.scenario.policies[router.policy].affinity
        if percent is not None and job.conversation >= 0:
            return router.keeper(backend, ready, job.conversation, percent)
        one, other = router.random.sample(ready, 2)
        flights = router.flights[backend]
        return one if flights[one] <= flights[other] else other

    def _expected(self, job: Job, backend: int) -> float:
        return min((self._expect(job, backend, e) for e in self._ready[backend]), default=float("inf"))

    def _expect(self, job: Job, backend: int, endpoint: int) -> float:
        engine = self._engines[backend][endpoint]
        if engine.down:
            return float("inf")
        work = job.output * self.scenario.backends[backend].longer + PROMPT_WORK * engine.missing(job)
        return engine.expected(work, self.clock.now)

    # What goes wrong

    def _change(self, change: Change) -> None:
        now, backend = self.clock.now, self._positions[change.backend]
        if change.slow is not None:
            for endpoint, engine in enumerate(self._engines[backend]):
                engine.drift(change.slow, now)
                if engine.running:
                    self.clock.at(engine.due, self._complete, backend, endpoint, engine, engine.version)
        if change.endpoints is not None:
            self._scale(backend, change.endpoints)
        if change.down is not None:
            for endpoint, engine in enumerate(self._engines[backend]):
                if change.down:
                    for job in engine.fail(now):
                        self._routers[job.router].failed(job, backend, endpoint, now, Cause.ERROR)
                        job.tried |= 1 << backend
                        self._send(job)
                else:
                    engine.recover(now)

    def _scale(self, backend: int, endpoints: int) -> None:
        """More: they are empty. Fewer: those that leave get nothing more, and end what they have."""
        spec, engines = self.scenario.backends[backend], self._engines[backend]
        interval = min(policy.interval for policy in self.scenario.policies)
        while len(engines) < endpoints:
            engines.append(Engine(spec.machine))
            if self.scheduler in {"Law", "InverseQueue"}:
                self._scrapes(backend, len(engines) - 1, interval)
        for router in self._routers:
            router.grow(backend, len(engines))
        self._ready[backend] = list(range(endpoints))
        self._loop.ready[spec.name] = tuple(str(n) for n in range(endpoints))

    # The operator

    def _scrapes(self, backend: int, endpoint: int, interval: float) -> None:
        first = self.clock.now // interval * interval + self._chance.random() * SCRAPE_SPREAD * interval
        self.clock.at(max(self.clock.now, first), self._scrape, backend, endpoint, interval)

    def _scrape(self, backend: int, endpoint: int, interval: float) -> None:
        clock, spec = self.clock, self.scenario.backends[backend]
        clock.at(clock.now + interval, self._scrape, backend, endpoint, interval)
        engine = self._engines[backend][endpoint]
        if engine.down or spec.metrics == "None" or self._loop.random.random() < self.scenario.scrapes_lost:
            return
        reading = engine.reading(clock.now)
        if spec.metrics == "Zero":
            reading = Reading(
                at=reading.at, running=0, waiting=0, kv_usage=0.0, generated=0, prompted=0, cached=0, finished=0
            )
        clock.at(clock.now + self.scenario.scrape_delay, self._loop.scraped, spec.name, endpoint, reading)

    def _report(self, number: int) -> None:
        clock, router = self.clock, self._routers[number]
        clock.at(clock.now + REPORT_SECONDS, self._report, number)
        if self._loop.random.random() < self.scenario.reports_lost:
            return
        counters = [
            (each.started, router.completed[b], router.busy[b], router.work[b], each.in_flight)
            for b, each in enumerate(router.backlogs)
        ]
        gave_up = sum(1 << b for b, ready in enumerate(self._ready) if router.gave_up(b, ready))
        clock.at(clock.now + self.scenario.report_delay, self._reported, number, counters, gave_up)

    def _reported(self, number: int, counters: list[Counters], gave_up: int) -> None:
        self._loop.reported(number, counters, gave_up, self.clock.now)

    def _step(self, interval: float) -> None:
        clock = self.clock
        clock.at(clock.now + interval, self._step, interval)
        outcome = self._loop.step(clock.now)
        clock.at(clock.now + self.scenario.publish_delay, self._heard, outcome)

    def _heard(self, outcome: law.Outcome) -> None:
        """Weights and loads have reached the routers."""
        sets = self._loop.plan().sets
        backends = {key: {share.target: share.backend for share in each.shares} for key, each in sets.items()}
        for router, choices in zip(self._routers, self._choices, strict=True):
            policy = self.scenario.policies[router.policy]
            by_load = self.scheduler == "Law" and policy.mode == "Active"
            if by_load:
                self._sample(router, outcome.loads)
            for route, one in zip(policy.routes, choices, strict=True):
                assert isinstance(one, Real)
                keys = [SetKey(policy.name, route.name, tier) for tier in range(len(route.tiers))]
                if by_load:
                    spill = outcome.spills.get(keys[0], 0.0)
                    one.steer(by_law(outcome, keys, backends), spill, router.backlogs)
                elif self.scheduler == "InverseQueue":
                    naive = [inverse_queue(outcome.loads, [t.backend for t in tier]) for tier in route.tiers]
                    one.steer(naive, 0.0, None)
        self.records.weighed(self.clock.now, outcome)

    def _sample(self, router: Router, loads: Mapping[str, Load]) -> None:
        for backlog, backend in zip(router.backlogs, self.scenario.backends, strict=True):
            load, now = loads[backend.name], self.clock.now
            if load.observed_at is None or now - load.observed_at > self.scenario.policies[router.policy].stale_after:
                backlog.forget()
            else:
                backlog.sample(load.in_system, load.arrivals, now - load.observed_at, now)

    def _record(self) -> None:
        self.records.look(
            self.clock.now,
            [self._in_system(backend) for backend in range(len(self._engines))],
        )
        self.clock.at(self.clock.now + self.records.every, self._record)
        if self.progress is not None:
            self.progress(min(1.0, self.clock.now / self.scenario.duration))


def run(scenario: Scenario, scheduler: Scheduler, seed: int, *, every: float = 1.0) -> Records:
    """Simulate it."""
    return World(scenario, scheduler, seed, every=every).run()
