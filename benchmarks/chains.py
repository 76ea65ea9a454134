"""What it costs to look at answers before one goes on: chains beside plain weighted routing, at one router."""

from collections.abc import Mapping

from benchmarks.harness import chat
from benchmarks.harness.bench import Settings
from benchmarks.harness.errors import BenchError
from benchmarks.harness.load import Counts, Load, upstream
from benchmarks.harness.load import run as run_load
from benchmarks.harness.processes import tree
from benchmarks.harness.report import Cell, Report, Spread, Table
from benchmarks.harness.router import signalbox, write_resources

PLAIN = "weighted"
# The model that a client asks for, and what the router does then.
VARIANTS: Mapping[str, str] = {
    PLAIN: "weighted, one call",
    "cascade": "cascade that accepts at once, one call",
    "best-of-two": "best of two by majority, two calls",
    "consensus": "consensus of two, two calls",
}


def run(settings: Settings) -> Report:
    """Unary requests in a closed loop for requests/s; then, for latency, all at the same half load of the slowest."""
    bodies = {model: [chat.body(model=model, user="u" * length) for length in range(1, 17)] for model in VARIANTS}
    cores, directory = settings.cores, settings.directory
    with upstream(cores.load, directory, ports=2, expect='"bench-s') as engines:
        small, strong = engines.ports
        resources = write_resources(directory / "resources", "chains.yaml", small=small, strong=strong).parent
        with signalbox(resources, cores.proxy, directory) as router:

            def rounds(load: Mapping[str, Load], what: str) -> dict[str, list[Counts]]:
                found: dict[str, list[Counts]] = {model: [] for model in VARIANTS}
                for number in range(settings.rounds):
                    for model in VARIANTS:
                        settings.tell(f"{what}, round {number + 1} of {settings.rounds}: {model}")
                        counts = run_load(load[model], router.port, cores.load, directory, tree(router.pid))
                        if counts.failed:
                            raise BenchError(f"{model}: requests failed: {counts.failed}; {counts.samples[:2]}")
                        found[model].append(counts)
                return found

            seconds = settings.choose(4, 1.5)
            closed = rounds({m: Load(bodies=each, seconds=seconds) for m, each in bodies.items()}, "full load")
            rate = round(min(Spread.of(c.per_second for c in runs).median for runs in closed.values()) / 2)
            paced = {
                m: Load(bodies=each, seconds=seconds, rate=rate, connections=128, grace=5) for m, each in bodies.items()
            }
            latency = rounds(paced, "half load")
    report = Report(
        "chains",
        f"{settings.where()}; {settings.rounds} rounds, variants in turn at one router, upstream answers at once; "
        f"closed loop with 64 connections, then an open loop at {rate:,} requests/s for all. "
        "Median (smallest–largest).",
    )
    columns = ("strategy", "requests/s", "÷ weighted", "CPU µs", "added CPU µs", "p50 µs", "added p50 µs")
    rows = [_row(model, text, closed, latency) for model, text in VARIANTS.items()]
    report.tables.append(Table("Unary requests", columns, rows))
    return report


def _row(
    model: str, text: str, closed: Mapping[str, list[Counts]], latency: Mapping[str, list[Counts]]
) -> tuple[Cell, ...]:
    mine, plain = closed[model], closed[PLAIN]
    each, of_plain = [list(map(_cpu_us, runs)) for runs in (mine, plain)]
    waits, plain_waits = [[one.latency_us.p50 for one in runs] for runs in (latency[model], latency[PLAIN])]
    added: list[Cell] = ["", "", ""]
    if model != PLAIN:
        added = [
            Spread.of(a.per_second / b.per_second for a, b in zip(mine, plain, strict=True)),
            Spread.of(a - b for a, b in zip(each, of_plain, strict=True)),
            Spread.of(a - b for a, b in zip(waits, plain_waits, strict=True)),
        ]
    return (
        text,
        Spread.of(c.per_second for c in mine),
        added[0],
        Spread.of(each),
        added[1],
        Spread.of(waits),
        added[2],
    )


def _cpu_us(counts: Counts) -> float:
    """Processor time of the router for a request."""
    return 1e6 * counts.busy / counts.per_second
