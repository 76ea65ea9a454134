"""The feedback law beside an omniscient scheduler and four others, simulated: p99 latency of the same requests."""

import math
import os
import statistics
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from itertools import product

import msgspec

from benchmarks.harness.bench import Settings
from benchmarks.harness.report import Cell, Report, Table
from signalbox.simulation.records import Steadiness
from signalbox.simulation.scenario import Scenario
from signalbox.simulation.scenarios import BEYOND, PROMISED
from signalbox.simulation.schedulers import Scheduler
from signalbox.simulation.world import run as simulate

ROUTERS = (1, 4, 16)
FIRST_SEED = 1
"""Constants were tuned on seeds from 101."""
SENSIBLE: tuple[Scheduler, ...] = ("LeastInFlight", "Static")
OTHERS: tuple[Scheduler, ...] = (*SENSIBLE, "InverseQueue", "Uniform")
"""The last two are far off already where they are compared."""
VARIATION, AUTOCORRELATION = 0.10, -0.2
STUDENT = {1: 12.71, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}
"""Of 95 %, by degrees of freedom."""


class Mean(msgspec.Struct, frozen=True):
    """Over seeds, with the half width of its 95 % interval."""

    value: float
    within: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Mean":
        """Of independent values, two at least."""
        degrees = len(values) - 1
        error = statistics.stdev(values) / math.sqrt(len(values))
        return cls(statistics.mean(values), STUDENT.get(degrees, 2.0) * error)

    def __str__(self) -> str:
        digits = 3 if self.value < 10 else 1
        return f"{self.value:.{digits}f} ± {self.within:.{digits}f}"


class Found(msgspec.Struct, frozen=True):
    """Of one run: latencies in seconds, requests that nobody served, the part of prompt tokens that engines had kept,
    how steady weights were."""

    p50: float
    p99: float
    refused: int
    cached: float
    steadiness: Steadiness
    shares: dict[str, float]


Key = tuple[str, int, Scheduler, int]
"""Scenario, routers, scheduler, seed."""


def run(settings: Settings) -> Report:
    """Every cell by every scheduler and seed, over both cores, at low priority."""
    seeds = range(FIRST_SEED, FIRST_SEED + (2 if settings.quick else 5))
    requests = round(settings.choose(20_000, 3_000))
    routers = (1, 16) if settings.quick else ROUTERS
    promised = [(make(k), k, goal) for (make, goal), k in product(PROMISED, routers)]
    beyond = [make() for make in BEYOND]
    todo = _todo([(each, k) for each, k, _ in promised], OTHERS, requests, seeds)
    todo |= _todo([(each, each.policies[0].routers) for each in beyond], SENSIBLE, requests, seeds)
    found = _simulate(todo, settings.tell)
    report = Report(
        "feedback",
        f"Simulated: {requests * len(seeds):,} requests a cell, {len(seeds)} seeds of {requests:,} requests, ± is the "
        "95 % interval over seeds. 5 backends of capacities 1, 1, 2, 4, 8 (4 to 32 requests at a time, the rate rises "
        "with (r/B)^0.6), answers and prompts log-normal of variation 1, 300 tokens of work on average (of variation "
        "0.88), no declared shares, period 5 s. p99 latency in relation to an omniscient scheduler that knows every "
        "queue and every length, on the same requests.",
    )
    _promised(report, promised, found, seeds)
    _beyond(report, beyond, found, seeds)
    return report


def _todo(
    cells: Sequence[tuple[Scenario, int]], others: Sequence[Scheduler], requests: int, seeds: Sequence[int]
) -> dict[Key, Scenario]:
    """Who knows everything does not care how many routers there are: it runs once for all of them."""
    found: dict[Key, Scenario] = {}
    for scheduler, (scenario, k), seed in product(("Law", "Omniscient", *others), cells, seeds):
        found.setdefault(_key(scenario.name, k, scheduler, seed), replace(scenario, requests=requests))
    return found


def _simulate(todo: dict[Key, Scenario], tell: Callable[[str], None]) -> dict[Key, Found]:
    found: dict[Key, Found] = {}
    with ProcessPoolExecutor(os.cpu_count(), initializer=os.nice, initargs=(5,)) as pool:
        waiting = {pool.submit(_one, scenario, key[2], key[3]): key for key, scenario in todo.items()}
        for number, done in enumerate(as_completed(waiting), 1):
            found[waiting[done]] = done.result()
            if number % 10 == 0 or number == len(todo):
                tell(f"{number} of {len(todo)} simulations")
    return found


def _key(name: str, routers: int, scheduler: Scheduler, seed: int) -> Key:
    return name, 0 if scheduler == "Omniscient" else routers, scheduler, seed


def _one(scenario: Scenario, scheduler: Scheduler, seed: int) -> Found:
    records = simulate(scenario, scheduler, seed)
    key = next(iter(records.weights), None)
    return Found(
        records.quantile(0.5),
        records.quantile(0.99),
        records.shed + records.failed,
        records.cached,
        records.steadiness(key) if key else Steadiness(0.0, 0.0, 0.0),
        records.shares(),
    )


def _ratio(found: dict[Key, Found], name: str, k: int, scheduler: Scheduler, seeds: Sequence[int]) -> Mean:
    return Mean.of(
        [found[_key(name, k, scheduler, seed)].p99 / found[_key(name, k, "Omniscient", seed)].p99 for seed in seeds]
    )


def _steadiness(found: dict[Key, Found], name: str, k: int, seeds: Sequence[int]) -> tuple[Mean, Mean, Mean]:
    each = [found[_key(name, k, "Law", seed)].steadiness for seed in seeds]
    return (
        Mean.of([one.variation for one in each]),
        Mean.of([one.worst for one in each]),
        Mean.of([one.autocorrelation for one in each]),
    )


def _figures(
    found: dict[Key, Found], name: str, k: int, seeds: Sequence[int], schedulers: Sequence[Scheduler]
) -> tuple[Cell, ...]:
    best = Mean.of([found[_key(name, k, "Omniscient", seed)].p99 for seed in seeds])
    refused = sum(found[_key(name, k, "Law", seed)].refused for seed in seeds)
    others = (str(_ratio(found, name, k, scheduler, seeds)) for scheduler in schedulers)
    return (str(_ratio(found, name, k, "Law", seeds)), str(best), float(refused), *others)


COLUMNS = ("law", "omniscient, s", "refused by law", "least in flight", "static")


def _promised(
    report: Report, cells: Sequence[tuple[Scenario, int, float]], found: dict[Key, Found], seeds: Sequence[int]
) -> None:
    rows: list[tuple[float, tuple[Cell, ...]]] = []
    steady: list[tuple[float, tuple[Cell, ...]]] = []
    for scenario, k, goal in cells:
        ratio = _ratio(found, scenario.name, k, "Law", seeds)
        rows.append(
            (ratio.value / goal, (f"{scenario.name}, k = {k}", goal, *_figures(found, scenario.name, k, seeds, OTHERS)))
        )
        if not scenario.changes and scenario.skip:
            variation, worst, lag = _steadiness(found, scenario.name, k, seeds)
            steady.append((-lag.value, (f"{scenario.name}, k = {k}", str(variation), str(worst), str(lag))))
            report.expect(
                f"{scenario.name}, k = {k}: variation at most {VARIATION}, autocorrelation at least {AUTOCORRELATION}",
                f"{variation}, {lag}",
                variation.value <= VARIATION and lag.value >= AUTOCORRELATION,
            )
        report.expect(f"{scenario.name}, k = {k}: at most {goal:.2f}", ratio, ratio.value <= goal)
    report.expectations.sort(key=lambda each: each.met)
    title = "p99 over that of the omniscient scheduler, by routers (k), worst first"
    report.tables.append(Table(title, ("scenario", "goal", *COLUMNS, "inverse queue", "uniform"), _worst(rows)))
    columns = ("scenario", "coefficient of variation", "of the worst target", "lag-1 autocorrelation of changes")
    report.tables.append(Table("Weights at steady load, worst first", columns, _worst(steady)))


def _beyond(report: Report, cells: Sequence[Scenario], found: dict[Key, Found], seeds: Sequence[int]) -> None:
    rows: list[tuple[float, tuple[Cell, ...]]] = []
    shares: list[tuple[Cell, ...]] = []
    for scenario in cells:
        name, k = scenario.name, scenario.policies[0].routers
        rows.append((_ratio(found, name, k, "Law", seeds).value, (name, *_figures(found, name, k, seeds, SENSIBLE))))
        mine, best = (
            {
                each.name: statistics.mean(found[_key(name, k, scheduler, seed)].shares[each.name] for seed in seeds)
                for each in scenario.backends
            }
            for scheduler in ("Law", "Omniscient")
        )
        shares.append((name, *(" ".join(f"{share:.3f}" for share in each.values()) for each in (mine, best))))
        if scenario.conversations:
            p50, cached = (
                statistics.mean(getattr(found[_key(name, k, "Law", seed)], figure) for seed in seeds)
                for figure in ("p50", "cached")
            )
            report.notes.append(f"{name}: {100 * cached:.0f} % of the prompt tokens had been kept, p50 {p50:.2f} s")
    report.tables.append(Table("Beyond what is promised, worst first", ("scenario", *COLUMNS), _worst(rows)))
    report.tables.append(Table("Shares of the requests, by backend", ("scenario", "law", "omniscient"), shares))


def _worst(rows: list[tuple[float, tuple[Cell, ...]]]) -> list[tuple[Cell, ...]]:
    return [row for _, row in sorted(rows, key=lambda each: -each[0])]
