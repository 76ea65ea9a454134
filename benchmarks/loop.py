"""The closed loop for real, beside what the simulator says: one engine slows down, one dies, nobody knows capacities.

Requests, engines and what goes wrong are a scenario of the simulator. Here they are HTTP: ``signalbox sim``'s engines
are in this process, and so are the clients; the router is ``signalbox up``.
"""

import asyncio
import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import aiohttp

from benchmarks.harness.bench import Settings
from benchmarks.harness.report import Cell, Report, Table
from benchmarks.harness.router import Router, fetch, signalbox, write_resources
from signalbox.feedback.endpoints import BATCH_EXPONENT
from signalbox.sim.faults import Faults
from signalbox.sim.profile import Profile
from signalbox.sim.server import SimulatedEngine
from signalbox.simulation.arrivals import jobs
from signalbox.simulation.jobs import Job
from signalbox.simulation.records import quantile
from signalbox.simulation.scenario import Change, Scenario
from signalbox.simulation.scenarios import FIRST, LAST, dead, slow, steady, unknown
from signalbox.simulation.world import World

SPEED = 2.0
"""Of the engines: a period of 5 s is 2.5 s here, and so is everything else."""
SEED = 7
REQUESTS, QUICK_REQUESTS = 1_500, 450
PATIENCE = 120.0
PROMPT_RATE = 10.0
"""Prompt tokens in the time of an output token, at the full rate."""
WITHIN_PERCENT, WITHIN_WEIGHT = 25.0, 0.05

Name = Literal["Law", "Static", "LeastInFlight"]
CANDIDATES: dict[Name, str] = {
    "Law": "signalbox, feedback Active",
    "Static": "signalbox, capacities declared as weights",
    "LeastInFlight": "least in flight, counted by the one client",
}


@dataclass
class Seen:
    """What clients saw: arrival in seconds of the scenario, latency in real seconds; ``weights`` are the last ones."""

    latencies: list[tuple[float, float]] = field(default_factory=list)
    failed: int = 0
    places: Counter[str] = field(default_factory=Counter)
    weights: dict[str, float] = field(default_factory=dict)

    def p99(self, since: float, until: float) -> float:
        return quantile(sorted(latency for at, latency in self.latencies if since <= at < until), 0.99)


def run(settings: Settings) -> Report:
    """One candidate after the other; each gets the same requests at the same times."""
    requests = round(settings.choose(REQUESTS, QUICK_REQUESTS))
    skip = 20.0
    report = Report(
        "loop",
        f"Five simulated engines of capacities 1, 1, 2, 4 and 8 at {SPEED:g} times the speed, {requests:,} requests a "
        "run in Poisson arrivals, lengths of a coefficient of variation of 1. Seconds are real ones; what the "
        "simulator says of the same requests is divided by the speed. Period 5 s, in engine time.",
    )
    scenarios: dict[str, tuple[Scenario, tuple[tuple[str, float, float], ...]]] = {
        "steady 0.80": (steady(0.8), (("all", 0.0, 1.0),)),
        "one slows 4×": (slow(), (("while it is slow", FIRST, LAST), ("recovered", LAST, 1.0))),
        "one dies": (dead(), (("while it is dead", FIRST, LAST), ("recovered", LAST, 1.0))),
        "capacities unknown": (unknown(), (("from the first request", 0.0, 1.0),)),
    }
    rows: list[tuple[Cell, ...]] = []
    weighed: list[tuple[Cell, ...]] = []
    for title, (scenario, windows) in scenarios.items():
        made = replace(scenario, requests=requests, skip=min(scenario.skip, skip))
        for name, label in CANDIDATES.items():
            settings.tell(f"{title}: {name}")
            seen = _run(settings, made, name, f"{title}-{name}".replace(" ", "-"))
            simulated = World(made, name, SEED).run()
            for window, start, end in windows:
                since, until = max(made.skip, start * made.duration), end * made.duration
                real, said = seen.p99(since, until), simulated.quantile(0.99, since, until) / SPEED
                off = 100.0 * (said / real - 1.0) if real else 0.0
                rows.append((f"{title}, {window}", label, real, said, off, float(seen.failed)))
                if name == "Law":
                    report.expect(
                        f"{title}, {window}: the simulator said the p99 within {WITHIN_PERCENT:g} %",
                        f"{real:.2f} s, simulated {said:.2f} s",
                        abs(off) <= WITHIN_PERCENT,
                    )
            if name == "Law":
                last = next(iter(simulated.weights.values()))[-1][1]
                weighed += [(title, target, seen.weights.get(target, 0.0), last[target]) for target in sorted(last)]
                worst = max(abs(seen.weights.get(target, 0.0) - value) for target, value in last.items())
                text = f"{title}: final weights within {WITHIN_WEIGHT:g} of the simulated ones"
                report.expect(text, f"{worst:.3f}", worst <= WITHIN_WEIGHT)
                report.expect(f"{title}: no failed request", seen.failed, seen.failed == 0)
    columns = ("scenario", "candidate", "p99 s", "simulated s", "off by %", "failed")
    report.tables.append(Table("p99 latency", columns, rows))
    report.tables.append(Table("last weights", ("scenario", "target", "real", "simulated"), weighed))
    return report


def _run(settings: Settings, scenario: Scenario, name: Name, directory: str) -> Seen:
    place = settings.directory / directory
    place.mkdir()
    return asyncio.run(_Run(scenario, name).run(lambda engines: _router(settings, scenario, name, engines, place)))


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
                url = ""
                if self._name != "LeastInFlight":
                    running = stack.enter_context(router(self._engines))
                    url = f"http://127.0.0.1:{running.port}/v1/chat/completions"
                await self._drive(url)
                if self._name == "Law":
                    text = await asyncio.to_thread(fetch, f"http://127.0.0.1:{running.admin}/metrics")
                    self.seen.weights = _weights(text.decode())
        finally:
            for engine in self._engines.values():
                await engine.stop()
        return self.seen

    async def _drive(self, url: str) -> None:
        begin = time.monotonic()
        timeout, connector = aiohttp.ClientTimeout(total=PATIENCE), aiohttp.TCPConnector(limit=0)
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=connector) as session,
            asyncio.TaskGroup() as group,
        ):
            for change in self._scenario.changes:
                group.create_task(self._change(change, begin))
            for job in jobs(self._scenario, SEED):
                await asyncio.sleep(max(0.0, begin + job.arrived / SPEED - time.monotonic()))
                group.create_task(self._send(session, url, job))

    async def _change(self, change: Change, begin: float) -> None:
        await asyncio.sleep(max(0.0, begin + change.at * self._scenario.duration / SPEED - time.monotonic()))
        await self._engines[change.backend].apply(Faults(slow=change.slow or 1.0, dead=bool(change.down)))
        if change.down is not None:
            (self._down.add if change.down else self._down.discard)(change.backend)

    async def _send(self, session: aiohttp.ClientSession, url: str, job: Job) -> None:
        begin = time.monotonic()
        try:
            place = await self._ask(session, url, job)
        except (aiohttp.ClientError, TimeoutError, OSError):
            self.seen.failed += 1
            return
        self.seen.places[place] += 1
        self.seen.latencies.append((job.arrived, time.monotonic() - begin))

    async def _ask(self, session: aiohttp.ClientSession, url: str, job: Job) -> str:
        """Who answered. Raises what aiohttp does."""
        if url:
            async with session.post(url, json=_body(job, "auto"), raise_for_status=True) as response:
                await response.read()
                return response.headers.get("x-signalbox-target", "")
        # The client chooses itself, knows at once who is down, and asks the next one where somebody dies.
        while True:
            place = min(self._in_flight.keys() - self._down, key=lambda name: (self._in_flight[name], random.random()))
            self._in_flight[place] += 1
            there = f"http://{self._engines[place].address}/v1/chat/completions"
            try:
                async with session.post(there, json=_body(job, "m"), raise_for_status=True) as response:
                    await response.read()
                    return place
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
        speed=SPEED,
    )


def _router(
    settings: Settings, scenario: Scenario, name: Name, engines: dict[str, SimulatedEngine], directory: Path
) -> AbstractContextManager[Router]:
    declared = name == "Static" and all(each.declared for each in scenario.backends)
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
                # What engines do is in real seconds.
                "capacity": {"concurrency": each.machine.batch, "tokensPerSecond": round(SPEED * each.machine.rate)}
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
        interval=f"{round(5000 / SPEED)}ms",
        stale=f"{round(15_000 / SPEED)}ms",
        targets=json.dumps(targets)[1:-1],
        backends="".join(f"---\n{json.dumps(backend)}\n" for backend in backends),
    ).parent
    return signalbox(resources, settings.cores.proxy, directory)


def _body(job: Job, model: str) -> dict[str, object]:
    prompt = "word" * max(1, round(job.prompt))
    tokens = max(1, round(job.output))
    return {
        "model": model,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": tokens,
        "ignore_eos": True,
    }


def _weights(text: str) -> dict[str, float]:
    """In force, by target."""
    found = re.findall(r"^signalbox_router_route_weight\{([^}]*)\} (\S+)$", text, re.MULTILINE)
    return {re.findall(r'target="(\w+)"', labels)[0]: float(value) for labels, value in found}
