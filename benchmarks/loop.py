"""The closed loop for real, beside what the simulator says: one engine slows down, one dies, nobody knows capacities.

Requests, engines and what goes wrong are a scenario of the simulator. Here they are HTTP: ``signalbox sim``'s engines
are in this process, and so are the clients; the router is ``signalbox up``.
"""

import asyncio
import json
import os
import random
import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import aiohttp

from benchmarks.harness.bench import Settings
from benchmarks.harness.errors import BenchError
from benchmarks.harness.report import Cell, Report, Spread, Table
from benchmarks.harness.router import Router, fetch, signalbox, write_resources
from signalbox.feedback.plan import INTERVAL, STALE_AFTER
from signalbox.sim.faults import Faults
from signalbox.sim.profile import Profile
from signalbox.sim.server import SimulatedEngine
from signalbox.simulation.arrivals import jobs
from signalbox.simulation.engines import BATCH_EXPONENT
from signalbox.simulation.jobs import Job
from signalbox.simulation.records import Records, quantile
from signalbox.simulation.scenario import Change, Scenario
from signalbox.simulation.scenarios import FIRST, LAST, dead, slow, steady, unknown
from signalbox.simulation.schedulers import Scheduler
from signalbox.simulation.world import World

SPEED = 2.0
"""Times the speed of the scenario's engines, in half of the period, so that a run takes half as long. The simulator
gets the same: reports, ejections and slow start are in seconds of their own."""
SEED = 7
REQUESTS, QUICK_REQUESTS = 1_500, 450
DRAWS = 5
DIES, RETURNS = 0.2, 0.4
PATIENCE = 300.0
"""Equal weights make some wait for more than two minutes."""
PROMPT_RATE = 10.0
"""Prompt tokens in the time of an output token, at the full rate."""
LOOK_SECONDS = 0.02
LATE = 0.25
"""Seconds of lag from which on a run is not to be compared: an engine makes up for one second at most."""
WITHIN_PERCENT, WITHIN_WEIGHT = 25.0, 0.05

Name = Literal["Law", "Static", "LeastInFlight"]
CANDIDATES: dict[Name, str] = {
    "Law": "signalbox, feedback Active",
    "Static": "signalbox, capacities declared as weights",
    "LeastInFlight": "least in flight, counted by the one client",
}


@dataclass
class Seen:
    """What clients saw: arrival and latency in seconds; ``weights`` are those when the last request came, ``cached``
    prompt tokens that an engine had not to work for, which no simulated one has; ``lag``: by how many seconds clients
    and engines were late at worst, which is no time that a router lost."""

    latencies: list[tuple[float, float]] = field(default_factory=list)
    failed: int = 0
    cached: int = 0
    lag: float = 0.0
    weights: dict[str, float] = field(default_factory=dict)

    def p99(self, since: float, until: float) -> float:
        return quantile(sorted(latency for at, latency in self.latencies if since <= at < until), 0.99)


def run(settings: Settings) -> Report:
    """One candidate after the other; each gets the same requests at the same times."""
    requests = round(settings.choose(REQUESTS, QUICK_REQUESTS))
    skip = 10.0
    report = Report(
        "loop",
        f"Five simulated engines of capacities 1, 1, 2, 4 and 8 at {SPEED:g} times the speed, {requests:,} requests a "
        "run in Poisson arrivals, lengths of a coefficient of variation of 1. The simulator has the same engines and "
        f"requests, and draws targets {DRAWS} times: the median counts. Period {INTERVAL / SPEED:g} s.",
    )
    scenarios: dict[str, tuple[Scenario, tuple[tuple[str, float, float], ...]]] = {
        "steady 0.80": (steady(0.8), (("all", 0.0, 1.0),)),
        "one slows 4×": (slow(), (("while it is slow", FIRST, LAST), ("recovered", LAST, 1.0))),
        "one dies": (dies(), (("while it is dead", DIES, RETURNS), ("back", RETURNS, 1.0))),
        "capacities unknown": (unknown(), (("from the first request", 0.0, 1.0),)),
    }
    rows: list[tuple[Cell, ...]] = []
    weighed: list[tuple[Cell, ...]] = []
    for title, (scenario, windows) in scenarios.items():
        made = faster(replace(scenario, requests=requests, skip=min(scenario.skip, skip)))
        for name, label in CANDIDATES.items():
            settings.tell(f"{title}: {name}")
            try:
                seen = _run(settings, made, name, f"{title}-{name}".replace(" ", "-"))
            except BenchError as error:  # the others took minutes
                report.expect(f"{title}: {label} runs", error, False)
                continue
            if seen.cached:  # less work than is simulated
                report.expect(f"{title}, {label}: no prompt token from a cache", seen.cached, False)
            if seen.lag > LATE:
                report.notes.append(f"{title}, {label}: clients and engines were late by up to {seen.lag:.2f} s")
            way = counterpart(made, name)
            simulated = [World(made, way, SEED, draws=draw).run() for draw in range(DRAWS)]
            for window, start, end in windows:
                since, until = max(made.skip, start * made.duration), end * made.duration
                real = seen.p99(since, until)
                said = Spread.of(each.quantile(0.99, since, until) for each in simulated)
                off = 100.0 * (said.median / real - 1.0)
                rows.append((f"{title}, {window}", label, real, said, off, float(seen.failed)))
                if name == "Law":
                    report.expect(
                        f"{title}, {window}: the simulator said the p99 within {WITHIN_PERCENT:g} %",
                        f"{real:.2f} s, simulated {said.median:.2f} s",
                        abs(off) <= WITHIN_PERCENT,
                    )
            if name == "Law":
                last = [_last(each) for each in simulated]
                foretold = {target: Spread.of(each[target] for each in last) for target in sorted(last[0])}
                weighed += [(title, target, seen.weights.get(target, 0.0), value) for target, value in foretold.items()]
                worst = max(abs(seen.weights.get(target, 0.0) - value.median) for target, value in foretold.items())
                text = f"{title}: final weights within {WITHIN_WEIGHT:g} of the simulated ones"
                report.expect(text, f"{worst:.3f}", worst <= WITHIN_WEIGHT)
                report.expect(f"{title}: no failed request", seen.failed, seen.failed == 0)
    columns = ("scenario", "candidate", "p99 s", "simulated s", "off by %", "failed")
    report.tables.append(Table("p99 latency", columns, rows))
    report.tables.append(Table("last weights", ("scenario", "target", "real", "simulated"), weighed))
    return report


def dies() -> Scenario:
    """One dies, for 20 s: the routers' patience with who was dead doubles, and it is to be seen coming back."""
    return replace(dead(), changes=(Change(DIES, "d4", down=True), Change(RETURNS, "d4", down=False)))


def _last(records: Records) -> dict[str, float]:
    assert records.last is not None
    (weights,) = records.last.weights.values()
    return {each.target: each.effective for each in weights}


def faster(scenario: Scenario) -> Scenario:
    """The same scenario in 1 / ``SPEED`` of the time. All engines have one model, as in the policy."""
    backends = (
        replace(each, machine=each.machine._replace(rate=SPEED * each.machine.rate), model="m")
        for each in scenario.backends
    )
    policies = (
        replace(each, interval=each.interval / SPEED, stale_after=each.stale_after / SPEED)
        for each in scenario.policies
    )
    return replace(scenario, backends=tuple(backends), policies=tuple(policies))


def counterpart(scenario: Scenario, name: Name) -> Scheduler:
    """Where nobody has declared capacities, static weights are equal ones."""
    return "Uniform" if name == "Static" and not _declared(scenario) else name


def _declared(scenario: Scenario) -> bool:
    return all(each.declared for each in scenario.backends)


def _run(settings: Settings, scenario: Scenario, name: Name, directory: str) -> Seen:
    place = settings.directory / directory
    place.mkdir(exist_ok=True)
    run = _Run(scenario, name)
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, settings.cores.load)  # engines and clients keep off the proxy's core
    try:
        return asyncio.run(run.run(lambda engines: _router(settings, scenario, name, engines, place)))
    finally:
        os.sched_setaffinity(0, before)


class _Run:
    """One scenario under one candidate."""

    def __init__(self, scenario: Scenario, name: Name) -> None:
        self._scenario, self._name = scenario, name
        self._engines = {
            each.name: SimulatedEngine(each.name, _profile(each.machine.rate, each.machine.batch))
            for each in scenario.backends
        }
        self._in_flight = dict.fromkeys(self._engines, 0)
        self._down: set[str] = set()
        self.seen = Seen()

    async def run(self, router: Callable[[dict[str, SimulatedEngine]], AbstractContextManager[Router]]) -> Seen:
        """All of it, until the last answer."""
        for engine in self._engines.values():
            await engine.start()
        try:
            with ExitStack() as stack:
                url = admin = ""
                if self._name != "LeastInFlight":
                    running = stack.enter_context(router(self._engines))
                    url = f"http://127.0.0.1:{running.port}/v1/chat/completions"
                    admin = f"http://127.0.0.1:{running.admin}/metrics"
                await self._drive(url, admin)
        finally:
            for engine in self._engines.values():
                await engine.stop()
        return self.seen

    async def _drive(self, url: str, admin: str) -> None:
        begin = time.monotonic()
        timeout, connector = aiohttp.ClientTimeout(total=PATIENCE), aiohttp.TCPConnector(limit=0)
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=connector) as session,
            asyncio.TaskGroup() as group,
        ):
            for change in self._scenario.changes:
                group.create_task(self._change(change, begin))
            watch = group.create_task(self._watch())
            for job in jobs(self._scenario, SEED):
                await asyncio.sleep(max(0.0, begin + job.arrived - time.monotonic()))
                group.create_task(self._send(session, url, job))
            if self._name == "Law":  # later there is no load that could move them
                self.seen.weights = _weights((await asyncio.to_thread(fetch, admin)).decode())
            watch.cancel()

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            begun = loop.time()
            await asyncio.sleep(LOOK_SECONDS)
            self.seen.lag = max(self.seen.lag, loop.time() - begun - LOOK_SECONDS)

    async def _change(self, change: Change, begin: float) -> None:
        await asyncio.sleep(max(0.0, begin + change.at * self._scenario.duration - time.monotonic()))
        if change.down:
            self._down.add(change.backend)  # before: who asks meanwhile is to know why it failed
        await self._engines[change.backend].apply(Faults(slow=change.slow or 1.0, dead=bool(change.down)))
        if change.down is False:
            self._down.discard(change.backend)

    async def _send(self, session: aiohttp.ClientSession, url: str, job: Job) -> None:
        begin = time.monotonic()
        try:
            self.seen.cached += await self._ask(session, url, job)
        except (aiohttp.ClientError, TimeoutError, OSError):
            self.seen.failed += 1
            return
        self.seen.latencies.append((job.arrived, time.monotonic() - begin))

    async def _ask(self, session: aiohttp.ClientSession, url: str, job: Job) -> int:
        """Prompt tokens that were cached. Raises what aiohttp does."""
        if url:
            async with session.post(url, json=body(job, "auto"), raise_for_status=True) as response:
                return _cached(await response.read())
        # The client chooses itself, knows at once who is down, and asks the next one where somebody dies.
        while True:
            place = min(self._in_flight.keys() - self._down, key=lambda name: (self._in_flight[name], random.random()))
            self._in_flight[place] += 1
            there = f"http://{self._engines[place].address}/v1/chat/completions"
            try:
                async with session.post(there, json=body(job, "m"), raise_for_status=True) as response:
                    return _cached(await response.read())
            except (aiohttp.ClientError, OSError):
                if place not in self._down:
                    raise
            finally:
                self._in_flight[place] -= 1


def _profile(rate: float, batch: int) -> Profile:
    """An engine that does ``rate`` tokens a second with a full batch."""
    return Profile(
        model="m",
        batch=batch,
        decode_rate=rate / batch**BATCH_EXPONENT,
        prefill_rate=PROMPT_RATE * rate,
        jitter=0.0,
    )


def _router(
    settings: Settings, scenario: Scenario, name: Name, engines: dict[str, SimulatedEngine], directory: Path
) -> AbstractContextManager[Router]:
    declared = name == "Static" and _declared(scenario)
    targets = [{"name": each.name} | ({"weight": round(each.rate)} if declared else {}) for each in scenario.backends]
    if name == "Static" and not declared:  # nobody knows better
        targets = [{"name": each.name, "weight": 1} for each in scenario.backends]
    backends = [
        {
            "apiVersion": "signalbox.dev/v1alpha1",
            "kind": "ModelBackend",
            "metadata": {"name": each.name},
            "spec": {
                "model": "m",
                "url": f"http://{engines[each.name].address}/v1",
                "signals": {"engine": "VLLM"},
                "capacity": {"concurrency": each.machine.batch, "tokensPerSecond": round(each.machine.rate)}
                if each.declared
                else None,
            },
        }
        for each in scenario.backends
    ]
    for backend in backends:
        backend["spec"] = {key: value for key, value in backend["spec"].items() if value is not None}  # type: ignore[attr-defined]
    resources = write_resources(
        directory / "resources",
        "loop.yaml",
        mode="Active" if name == "Law" else "Disabled",
        interval=f"{round(1000 * INTERVAL / SPEED)}ms",
        stale=f"{round(1000 * STALE_AFTER / SPEED)}ms",
        targets=json.dumps(targets)[1:-1],
        backends="".join(f"---\n{json.dumps(backend)}\n" for backend in backends),
    ).parent
    return signalbox(resources, settings.cores.proxy, directory)


def body(job: Job, model: str) -> dict[str, object]:
    """A request as long as the job, of which no part has been said before."""
    length = max(1, round(job.prompt))
    prompt = (f"{job.arrived:.9f} " + "word" * length)[: 4 * length]  # each begins otherwise: no cache knows it
    tokens = max(1, round(job.output))
    return {
        "model": model,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": tokens,
        "ignore_eos": True,
    }


def _cached(answer: bytes) -> int:
    found = json.loads(answer)["usage"].get("prompt_tokens_details") or {}
    return int(found.get("cached_tokens") or 0)


def _weights(text: str) -> dict[str, float]:
    """In force, by target."""
    found = re.findall(r"^signalbox_router_route_weight\{([^}]*)\} (\S+)$", text, re.MULTILINE)
    return {re.findall(r'target="(\w+)"', labels)[0]: float(value) for labels, value in found}
