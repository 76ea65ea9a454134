"""Thousands of clients at once, each with its next request as soon as one is answered: what is left of the rate.

No connection and no request is refused here. So it says how much of the loss past saturation is due to the number of
clients, whose data no cache of a processor holds.
"""

from benchmarks.harness import chat
from benchmarks.harness.bench import Settings
from benchmarks.harness.candidates import DIRECT, ENVOY, SIGNALBOX, candidates
from benchmarks.harness.load import Counts, Load
from benchmarks.harness.report import Cell, Report, Spread, Table

CONNECTIONS = (64, 1000, 6000)  # a worker that may open 20,000 files keeps 6,645
RAMP_SECONDS = 1.5


def run(settings: Settings) -> Report:
    """The candidates in turn, with few connections and with more and more of them."""
    names = tuple(name for name in settings.candidates if name != DIRECT)
    rounds = int(settings.choose(3, 1))
    with candidates(names, settings.cores, settings.directory) as field:
        found = {
            number: field.rounds(rounds, _load(settings, number), lambda text, n=number: settings.tell(f"{n}: {text}"))
            for number in CONNECTIONS
        }
    report = Report(
        "crowd",
        f"{settings.where()}; {rounds} rounds, candidates in turn; median (smallest–largest). "
        f"{', '.join(field.versions)}. Unary requests as in throughput, one body; "
        "whoever is answered sends again.",
    )
    report.notes += field.absent
    few = found[CONNECTIONS[0]]
    rows = [_row(name, number, runs[name], few[name]) for name in few for number, runs in found.items()]
    columns = ("candidate", "connections", "requests/s", "of its own with few %", "p50 ms", "p99 ms")
    report.tables.append(Table("Closed loop", columns, rows))
    silent = {
        f"{name}, {number:,}": each.unfinished
        for number, of in found.items()
        for name, runs in of.items()
        for each in runs
        if each.unfinished
    }
    report.expect("everybody is answered", silent or "all", not silent)
    if SIGNALBOX in few and ENVOY in few:
        pairs = zip(found[CONNECTIONS[-1]][SIGNALBOX], found[CONNECTIONS[-1]][ENVOY], strict=True)
        ratio = Spread.of(ours.per_second / envoys.per_second for ours, envoys in pairs)
        report.expect(f"as many requests/s as Envoy with {CONNECTIONS[-1]:,} connections", ratio, ratio.median >= 1.0)
    return report


def _load(settings: Settings, connections: int) -> Load:
    return Load(
        bodies=[chat.body()],
        seconds=settings.choose(5, 2),
        connections=connections,
        warmup=RAMP_SECONDS + 1,
        ramp=RAMP_SECONDS,
        grace=10,
        nice=10,  # as in overload
    )


def _row(name: str, connections: int, runs: list[Counts], few: list[Counts]) -> tuple[Cell, ...]:
    return (
        name,
        f"{connections:,}",
        Spread.of(each.per_second for each in runs),
        Spread.of(each.per_second / one.per_second * 100 for each, one in zip(runs, few, strict=True)),
        Spread.of(each.latency_us.p50 / 1000 for each in runs),
        Spread.of(each.latency_us.p99 / 1000 for each in runs),
    )
