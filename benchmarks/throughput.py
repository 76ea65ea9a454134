"""Throughput beside bare Envoy and nginx: requests/s of one core, and stream events per second of processor time."""

from benchmarks.harness import chat
from benchmarks.harness.bench import Settings
from benchmarks.harness.candidates import DIRECT, ENVOY, NGINX, SIGNALBOX, Field, candidates
from benchmarks.harness.load import Counts, Load
from benchmarks.harness.report import Cell, Report, Spread, Table

STREAMS = 300
CHUNKS = 200
INTERVAL = 0.010
SATURATED = 0.95


def run(settings: Settings) -> Report:
    """Unary requests in a closed loop; then streams that all candidates get at the same pace."""
    bodies = [chat.body(user="u" * length) for length in range(1, 17)]
    stream = chat.body(stream=True)
    report = Report("throughput", "")
    with candidates(settings.candidates, settings.cores, settings.directory) as field:
        unary = field.rounds(
            settings.rounds, Load(bodies=bodies, seconds=settings.choose(5, 1.5), connections=64), settings.tell
        )
        _tell_unary(report, unary, len(bodies[0]))
    with candidates(settings.candidates, settings.cores, settings.directory, chunks=CHUNKS, interval=INTERVAL) as field:
        load = Load(
            bodies=[stream], seconds=settings.choose(6, 2), connections=STREAMS, warmup=1.5, ramp=1, timeout=120
        )
        _tell_streams(report, field.rounds(settings.rounds, load, settings.tell))
        _tell_setup(report, settings, field)
    return report


def _tell_setup(report: Report, settings: Settings, field: Field) -> None:
    report.setup = (
        f"{settings.where()}; {settings.rounds} rounds, candidates in turn; median (smallest–largest). "
        f"{', '.join(field.versions)}. Envoy and nginx pass bytes through, without access log; signalbox checks a key, "
        "parses the body, evaluates 8 conditions (2 regular expressions), rewrites the model and logs each request."
    )
    report.notes += field.absent


def _tell_unary(report: Report, found: dict[str, list[Counts]], size: int) -> None:
    rows: list[tuple[Cell, ...]] = []
    for name, runs in found.items():
        per_second = Spread.of(each.per_second for each in runs)
        row: list[Cell] = [name, per_second, *(_ratio(found, name, peer, "per_second") for peer in (ENVOY, NGINX))]
        if name == DIRECT:
            row += ["", ""]
        else:
            row += [
                Spread.of(each.per_second / each.busy for each in runs),
                Spread.of(each.busy * 100 for each in runs),
            ]
        rows.append(tuple(row))
    columns = ("unary", "requests/s", "÷ envoy", "÷ nginx", "requests/CPU-s", "core used %")
    report.tables.append(Table(f"Unary, bodies of {size} bytes and up, 64 connections, closed loop", columns, rows))
    for name, runs in found.items():
        if name != DIRECT and Spread.of(each.busy for each in runs).median < SATURATED:
            report.notes.append(
                f"{name} had processor time left in the unary runs: the core of the load generator was the limit, "
                "so its requests/s are a lower bound"
            )
    _expect(report, found, "per_second", "requests/s")


def _tell_streams(report: Report, found: dict[str, list[Counts]]) -> None:
    rows: list[tuple[Cell, ...]] = []
    efficiency = {name: [_events(each) for each in runs] for name, runs in found.items() if name != DIRECT}
    for name, runs in found.items():
        row: list[Cell] = [name, Spread.of(each.events_per_second for each in runs)]
        row.append(Spread.of(efficiency[name]) if name in efficiency else "")
        for peer in (ENVOY, NGINX):
            both = name in efficiency and peer in efficiency and peer != name
            row.append(Spread.of(_divide(efficiency[name], efficiency[peer])) if both else "")
        row.append("" if name == DIRECT else Spread.of(each.busy * 100 for each in runs))
        rows.append(tuple(row))
    columns = ("streams", "events/s", "events/CPU-s", "÷ envoy", "÷ nginx", "core used %")
    title = (
        f"{STREAMS} streams at once, {CHUNKS} events each, one every {INTERVAL * 1000:.0f} ms, each a packet of its own"
    )
    report.tables.append(Table(title, columns, rows))
    if SIGNALBOX in efficiency and ENVOY in efficiency:
        ratio = Spread.of(_divide(efficiency[SIGNALBOX], efficiency[ENVOY]))
        report.expect("stream events per CPU-second at least 0.8 of Envoy's", ratio, ratio.median >= 0.8)


def _events(counts: Counts) -> float:
    return counts.events_per_second / counts.busy


def _divide(numerators: list[float], denominators: list[float]) -> list[float]:
    return [a / b for a, b in zip(numerators, denominators, strict=True)]


def _ratio(found: dict[str, list[Counts]], name: str, peer: str, field: str) -> Cell:
    if peer not in found or name in (peer, DIRECT):
        return ""
    return Spread.of(_divide([getattr(c, field) for c in found[name]], [getattr(c, field) for c in found[peer]]))


def _expect(report: Report, found: dict[str, list[Counts]], field: str, what: str) -> None:
    ratio = _ratio(found, SIGNALBOX, ENVOY, field) if SIGNALBOX in found else ""
    if isinstance(ratio, Spread):
        report.expect(f"{what} at least 0.8 of Envoy's", ratio, ratio.median >= 0.8)
