"""The latency that a proxy adds to a direct connection, at half of the load that the router can bear."""

from benchmarks.harness import chat
from benchmarks.harness.bench import Settings
from benchmarks.harness.candidates import DIRECT, SIGNALBOX, candidates
from benchmarks.harness.errors import BenchError
from benchmarks.harness.load import Counts, Load
from benchmarks.harness.report import Cell, Report, Spread, Table


def run(settings: Settings) -> Report:
    """An open loop: latency counts from the moment at which a request was due, so waiting is never left out."""
    if DIRECT not in settings.candidates:
        raise BenchError("latency is added to that of a direct connection: leave the candidate direct in")
    body = chat.body()
    with candidates(settings.candidates, settings.cores, settings.directory) as field:
        measured = next((c for c in field.candidates if c.name == SIGNALBOX), field.candidates[-1])
        settings.tell(f"full load of {measured.name}")
        full = field.run(measured, Load(bodies=[body], seconds=settings.choose(5, 1.5)))
        rate = round(full.per_second / 2)
        load = Load(bodies=[body], seconds=settings.choose(8, 2), rate=rate, connections=256, grace=5)
        found = field.rounds(settings.rounds, load, settings.tell)
        report = Report(
            "latency",
            f"{settings.where()}; {settings.rounds} rounds, candidates in turn. {', '.join(field.versions)}. "
            f"Open loop, Poisson arrivals, {rate:,} requests/s = half of what {measured.name} served in a closed loop; "
            f"bodies of {len(body)} bytes, upstream answers at once. Microseconds, median (smallest–largest).",
            notes=list(field.absent),
        )
    rows: list[tuple[Cell, ...]] = []
    for name, runs in found.items():
        row: list[Cell] = [name, *(_of(runs, quantile) for quantile in ("p50", "p99"))]
        row += ["", ""] if name == DIRECT else [_added(runs, found[DIRECT], quantile) for quantile in ("p50", "p99")]
        rows.append((*row, "" if name == DIRECT else Spread.of(each.busy * 100 for each in runs)))
    columns = ("half load", "p50 µs", "p99 µs", "added p50", "added p99", "core used %")
    report.tables.append(Table("Unary requests", columns, rows))
    return report


def _of(runs: list[Counts], quantile: str) -> Spread:
    return Spread.of(getattr(each.latency_us, quantile) for each in runs)


def _added(runs: list[Counts], direct: list[Counts], quantile: str) -> Spread:
    pairs = zip(runs, direct, strict=True)
    return Spread.of(getattr(a.latency_us, quantile) - getattr(b.latency_us, quantile) for a, b in pairs)
