"""Past what a router can serve: what it still serves, how fast the rest is refused, and what that costs in memory."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.harness import chat
from benchmarks.harness.bench import Settings
from benchmarks.harness.load import Counts, Load, Run, upstream
from benchmarks.harness.load import run as load_run
from benchmarks.harness.native import ROOT
from benchmarks.harness.picture import Curve, Panel, draw
from benchmarks.harness.processes import memory
from benchmarks.harness.report import Cell, Report, Spread, Table
from benchmarks.harness.router import Router, signalbox, write_resources
from signalbox.router.options import ProxyOptions

OFFERED = (0.5, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0)
QUICKLY = (0.5, 1.0, 2.0, 5.0)
PEAK = 64
CLOSED = (16, PEAK, 256)  # connections, each of which sends when it is answered: nobody needs to be refused
KEPT = ProxyOptions().max_connections
CONNECTIONS = KEPT + 1000  # more than a worker keeps, so that some are refused
WARMUP_SECONDS = 3.0
KEPT_PERCENT = 90
ANSWERED_MS = 1000
MEMORY_KB = 50
REFUSALS = frozenset(("429", "503"))
PICTURE = ROOT / "results" / "overload.svg"


@dataclass(frozen=True)
class Round:
    """One rate for some seconds: what clients counted, the most memory that the worker held meanwhile (MB), and the
    peak at that time: requests/s of a closed loop before and right after."""

    counts: Counts
    most: float
    peak: float

    @property
    def refused(self) -> float:
        """Refusals a second."""
        return sum(count for status, count in self.counts.failed.items() if status in REFUSALS) / self.counts.seconds

    @property
    def kept(self) -> float:
        """What is served, as a part of what a closed loop gets at that time."""
        return self.counts.per_second / self.peak

    @property
    def other(self) -> dict[str, int]:
        """Failures that are no refusals, and what was never answered."""
        failed = {name: count for name, count in self.counts.failed.items() if name not in REFUSALS}
        return failed | ({"never answered": self.counts.unfinished} if self.counts.unfinished else {})


@dataclass(frozen=True)
class Seen:
    """One rate, as a multiple of the peak, in all of its rounds."""

    offered: float
    rounds: list[Round]

    def of(self, value: Callable[[Round], float]) -> Spread:
        """A figure of each round."""
        return Spread.of(value(each) for each in self.rounds)

    @property
    def kept(self) -> float:
        """As of a round; the median."""
        return self.of(lambda each: each.kept).median

    @property
    def slowest(self) -> float:
        """The larger p99 of the served and the refused in any round, ms."""
        return max(max(each.counts.latency_us.p99, each.counts.refused_us.p99) for each in self.rounds) / 1000


def run(settings: Settings) -> Report:
    """The peak in a closed loop first; then an open loop with multiples of it, one after the other on one router; in
    rounds, so that a disturbance of the machine does not hit all measurements of one rate."""
    seconds, rounds = settings.choose(5, 3), int(settings.choose(5, 1))
    with upstream(settings.cores.load, settings.directory, ports=2) as engines:
        small, strong = engines.ports
        resources = write_resources(settings.directory / "resources", "rules.yaml", small=small, strong=strong).parent
        with signalbox(resources, settings.cores.proxy, settings.directory) as router:
            closed = {number: _closed(settings, router, number, seconds) for number in CLOSED}
            idle = memory(router.worker()).rss
            before = peak = closed[PEAK].per_second
            seen = [Seen(factor, []) for factor in (QUICKLY if settings.quick else OFFERED)]
            for number in range(rounds):
                for each in seen:
                    settings.tell(f"round {number + 1} of {rounds}: {each.offered:g} times the peak")
                    counts, most = _open(settings, router, peak * each.offered, seconds)
                    after = _closed(settings, router, PEAK, seconds / 2).per_second
                    each.rounds.append(Round(counts, most, (before + after) / 2))
                    before = after
    report = Report(
        "overload",
        f"{settings.where()}. One worker, upstream answers at once. Peak: {peak:,.0f} requests/s by {PEAK} connections "
        "in a closed loop, measured again after each rate, as others use the machine, too; "
        f"{idle:.1f} MB after it. Then an open loop, Poisson arrivals, {seconds:.0f} s at each rate after "
        f"{WARMUP_SECONDS:.0f} s of it, {rounds} rounds (median, smallest–largest), by clients who have "
        f"{CONNECTIONS:,} connections together: a worker keeps {KEPT:,}, or as many as it may open files, and tells "
        "the others at the door. While all of them wait for an answer, clients cannot send: the table says how much. "
        "Who is refused waits for the seconds that the answer names.",
    )
    columns = ("× peak", "offered/s", "served/s", "of the closed loop %", "refused/s", "not sent/s", "p50 ms", "p99 ms")
    columns += ("refused p50 ms", "refused p99 ms", "core used %", "memory MB")
    report.tables.append(Table("What clients saw", columns, [_row(each, peak) for each in seen]))
    past = [each for each in seen if each.offered >= 1.5]
    saturated = max(each.kept for each in seen if each.offered <= 1.0)
    worst = min(each.kept for each in past)
    report.expect(
        f"past saturation at least {KEPT_PERCENT} % is served of what is served at saturation",
        f"{worst / saturated * 100:.0f} % ({worst * 100:.0f} % of the closed loop)",
        worst >= saturated * KEPT_PERCENT / 100,
    )
    slowest = max(each.slowest for each in seen)
    report.expect(
        f"whoever sends is served or refused within {ANSWERED_MS} ms (p99)",
        f"{slowest:.0f} ms",
        slowest <= ANSWERED_MS,
    )
    growth, bound = max(one.most for each in seen for one in each.rounds) - idle, CONNECTIONS * MEMORY_KB / 1000
    report.expect(
        f"memory is bounded: at most {MEMORY_KB} KB a connection", f"{growth:+.1f} of {bound:.0f} MB", growth <= bound
    )
    needless = {number: one.failed for number, one in closed.items() if one.failed}
    report.expect(
        f"nobody is refused of {', '.join(map(str, CLOSED))} connections in a closed loop",
        needless or "0",
        not needless,
    )
    other = [(each.offered, one) for each in seen for one in each.rounds if one.other]
    report.expect("nothing else than refusals", [one.other for _, one in other] or "0", not other)
    report.notes += [f"{offered:g}×: {sample}" for offered, one in other for sample in one.counts.samples[:1]]
    _picture(seen, peak)
    report.notes.append(f"The picture: {PICTURE.relative_to(ROOT.parent)}")
    return report


def _closed(settings: Settings, router: Router, connections: int, seconds: float) -> Counts:
    load = Load(bodies=[chat.body()], seconds=seconds, connections=connections)
    return load_run(load, router.port, settings.cores.load, settings.directory, router.processes())


def _open(settings: Settings, router: Router, rate: float, seconds: float) -> tuple[Counts, float]:
    load = Load(
        bodies=[chat.body()],
        seconds=seconds,
        rate=rate,
        connections=CONNECTIONS,
        warmup=WARMUP_SECONDS,
        grace=10,
        drop=1,
        obey=1,
        nice=10,  # engines come first on the core that they share: not they are to be short
    )
    worker, most = router.worker(), 0.0
    running = Run(load, router.port, settings.cores.load, settings.directory, router.processes())
    while running.active:
        most = max(most, memory(worker).rss)
        time.sleep(0.2)
    counts = running.result()
    time.sleep(1)  # what was still under way when the generator left
    return counts, most


def _row(seen: Seen, peak: float) -> tuple[Cell, ...]:
    return (
        f"{seen.offered:g}",
        peak * seen.offered,
        seen.of(lambda each: each.counts.per_second),
        seen.of(lambda each: each.kept * 100),
        seen.of(lambda each: each.refused),
        seen.of(lambda each: each.counts.unsent / each.counts.seconds).median,
        seen.of(lambda each: each.counts.latency_us.p50 / 1000).median,
        seen.of(lambda each: each.counts.latency_us.p99 / 1000),
        seen.of(lambda each: each.counts.refused_us.p50 / 1000).median,
        seen.of(lambda each: each.counts.refused_us.p99 / 1000),
        seen.of(lambda each: each.counts.busy * 100).median,
        max(each.most for each in seen.rounds),
    )


def _picture(seen: list[Seen], peak: float) -> None:
    def curve(name: str, value: Callable[[Round], float]) -> Curve:
        return Curve(name, [(each.offered, each.of(value).median) for each in seen])

    panels = [
        Panel(
            "Requests a second",
            [
                curve("served", lambda each: each.counts.per_second),
                curve("refused (429, 503)", lambda each: each.refused),
                curve("peak, in a closed loop", lambda each: each.peak),
                Curve("offered", [(each.offered, peak * each.offered) for each in seen]),
            ],
        ),
        Panel(
            "p99 in ms, from when a request was sent",
            [
                curve("served", lambda each: each.counts.latency_us.p99 / 1000),
                curve("refused", lambda each: each.counts.refused_us.p99 / 1000),
            ],
        ),
        Panel("Memory of the worker, MB", [curve("most", lambda each: each.most)]),
    ]
    note = f"One worker on one core; the peak is {peak:,.0f} requests/s in a closed loop"
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(draw("Offered more than a router can serve", note, "× the peak", panels))
