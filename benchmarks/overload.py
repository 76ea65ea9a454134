"""Past what a router can serve: what it still serves, how fast the rest is refused, and what that costs in memory."""

import time
from dataclasses import dataclass

from benchmarks.harness import chat
from benchmarks.harness.bench import Settings
from benchmarks.harness.load import Counts, Load, Run, upstream
from benchmarks.harness.load import run as load_run
from benchmarks.harness.native import ROOT
from benchmarks.harness.picture import Curve, Panel, draw
from benchmarks.harness.processes import memory
from benchmarks.harness.report import Cell, Report, Table
from benchmarks.harness.router import Router, signalbox, write_resources

OFFERED = (0.5, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0)
CONNECTIONS = 2000
KEPT_PERCENT = 90
REFUSALS = frozenset(("429", "503"))
PICTURE = ROOT / "results" / "overload.svg"


@dataclass(frozen=True)
class Seen:
    """One rate: what clients counted, and the most memory that the worker held meanwhile (MB)."""

    offered: float
    counts: Counts
    most: float

    @property
    def refused(self) -> float:
        """Refusals a second."""
        return sum(count for status, count in self.counts.failed.items() if status in REFUSALS) / self.counts.seconds

    @property
    def other(self) -> int:
        """Failures that are no refusals, requests that were never answered apart."""
        return sum(count for status, count in self.counts.failed.items() if status not in REFUSALS)


def run(settings: Settings) -> Report:
    """The peak in a closed loop first; then an open loop with multiples of it, one after the other on one router."""
    seconds = settings.choose(15, 4)
    body = chat.body(messages=[{"role": "user", "content": chat.TEXT * 8}])  # the router must be what is short
    with upstream(settings.cores.load, settings.directory, ports=2) as engines:
        small, strong = engines.ports
        resources = write_resources(settings.directory / "resources", "rules.yaml", small=small, strong=strong).parent
        with signalbox(resources, settings.cores.proxy, settings.directory) as router:
            settings.tell("the peak")
            full = Load(bodies=[body], seconds=seconds, connections=64)
            peak = load_run(full, router.port, settings.cores.load, settings.directory, router.processes())
            idle = memory(router.worker()).rss
            seen = [_one(settings, router, body, factor, peak.per_second * factor, seconds) for factor in OFFERED]
    report = Report(
        "overload",
        f"{settings.where()}. One worker, upstream answers at once. Peak: {peak.per_second:,.0f} requests/s by 64 "
        f"connections in a closed loop ({peak.busy * 100:.0f} % of its core), {idle:.1f} MB after it; "
        f"bodies of {len(body):,} bytes. Then an open loop, Poisson arrivals, up to "
        f"{CONNECTIONS:,} connections, {seconds:.0f} s at each rate; latency counts from when a request was due, "
        "so the time that it waited for a free connection is part of it.",
    )
    columns = ("× peak", "offered/s", "served/s", "of peak %", "refused/s", "never sent or answered/s")
    columns += ("p50 ms", "p99 ms", "refused p99 ms", "core used %", "memory MB")
    report.tables.append(Table("What clients saw", columns, [_row(each, peak.per_second) for each in seen]))
    past = [each for each in seen if each.offered >= 1.5]
    worst = min(each.counts.per_second for each in past) / peak.per_second * 100
    report.expect(
        f"past saturation at least {KEPT_PERCENT} % of the peak is served", f"{worst:.0f} %", worst >= KEPT_PERCENT
    )
    other = {name: count for each in seen for name, count in each.counts.failed.items() if name not in REFUSALS}
    report.expect("nothing else than refusals", other or "0", not other)
    growth = max(each.most for each in seen) - idle
    report.expect("memory is bounded: at most 100 KB a connection", f"{growth:+.1f} MB", growth <= CONNECTIONS * 0.1)
    report.notes += [
        f"{each.offered:g}×: {sample}" for each in seen if each.other for sample in each.counts.samples[:1]
    ]
    _picture(seen, peak.per_second)
    report.notes.append(f"The picture: {PICTURE.relative_to(ROOT.parent)}")
    return report


def _one(settings: Settings, router: Router, body: bytes, factor: float, rate: float, seconds: float) -> Seen:
    settings.tell(f"{factor:g} times the peak")
    load = Load(bodies=[body], seconds=seconds, rate=rate, connections=CONNECTIONS, warmup=2, grace=2, timeout=60)
    worker, most = router.worker(), 0.0
    running = Run(load, router.port, settings.cores.load, settings.directory, router.processes())
    while running.active:
        most = max(most, memory(worker).rss)
        time.sleep(0.2)
    counts = running.result()
    time.sleep(1)  # what was still under way when the generator left
    return Seen(factor, counts, most)


def _row(seen: Seen, peak: float) -> tuple[Cell, ...]:
    counts = seen.counts
    return (
        f"{seen.offered:g}",
        peak * seen.offered,
        counts.per_second,
        counts.per_second / peak * 100,
        seen.refused,
        peak * seen.offered - (counts.ok + sum(counts.failed.values())) / counts.seconds,
        counts.latency_us.p50 / 1000,
        counts.latency_us.p99 / 1000,
        counts.refused_us.p99 / 1000,
        counts.busy * 100,
        seen.most,
    )


def _picture(seen: list[Seen], peak: float) -> None:
    def curve(name: str, value: "list[float]") -> Curve:
        return Curve(name, [(each.offered, y) for each, y in zip(seen, value, strict=True)])

    panels = [
        Panel(
            "Requests a second",
            [
                curve("served", [each.counts.per_second for each in seen]),
                curve("refused (429, 503)", [each.refused for each in seen]),
                curve("offered", [peak * each.offered for each in seen]),
            ],
        ),
        Panel(
            "p99 in ms, from when a request was due",
            [
                curve("served", [each.counts.latency_us.p99 / 1000 for each in seen]),
                curve("refused", [each.counts.refused_us.p99 / 1000 for each in seen]),
            ],
        ),
        Panel("Memory of the worker, MB", [curve("most", [each.most for each in seen])]),
    ]
    note = f"One worker on one core; the peak is {peak:,.0f} requests/s in a closed loop"
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(draw("Offered more than a router can serve", note, "× the peak", panels))
