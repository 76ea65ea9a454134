"""What a flood does: three times what an engine can serve, with shedding and without, side by side."""

from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.harness import chat
from benchmarks.harness.bench import Settings
from benchmarks.harness.load import Counts, Load, Run
from benchmarks.harness.processes import free_ports
from benchmarks.harness.report import Cell, Report, Table
from benchmarks.harness.router import engine, signalbox, write_resources

# About 12 requests/s: 8 sequences at once, 60 tokens each.
ENGINE = ("--speed", "4", "--output-tokens", "60", "--batch", "8", "--seed", "1")
PATIENCE = 20.0
RATES = {"gold": 5.0, "silver": 5.0, "rest": 26.0}
MODES = {"shedding": "Active", "no shedding": "Disabled"}


@dataclass(frozen=True)
class Seen:
    """What the clients of one tier saw in one run."""

    mode: str
    tier: str
    counts: Counts


def run(settings: Settings) -> Report:
    """Both at once, each on an engine of its own."""
    seconds = settings.choose(120, 40)
    seen = _flood(settings, seconds)
    report = Report(
        "shedding",
        f"An engine of 8 sequences and about 12 requests/s gets {sum(RATES.values()):.0f}/s for {seconds:.0f} s, after "
        f"a third of that to begin with; unary, open loop, time-out {PATIENCE:.0f} s. Both variants at once, each on "
        "an engine of its own. Clients do not come again.",
    )
    rows: list[tuple[Cell, ...]] = []
    for mode in MODES:
        of = [each for each in seen if each.mode == mode]
        rows += [_row(each, seconds) for each in of]
        served = sum(each.counts.ok for each in of) / seconds
        rows.append((mode, "all", sum(RATES.values()), served, *([""] * 4)))
    columns = ("", "tier", "offered/s", "served/s", "429/s", "other failures/s", "p50 s", "p99 s")
    report.tables.append(Table("What clients saw (latency of what was served)", columns, rows))
    return report


def _row(seen: Seen, seconds: float) -> tuple[Cell, ...]:
    counts = seen.counts
    busy = counts.failed.get("429", 0)
    latency = counts.latency_us
    return (
        seen.mode,
        seen.tier,
        RATES[seen.tier],
        counts.ok / seconds,
        busy / seconds,
        (counts.failures - busy) / seconds,
        latency.p50 / 1e6,
        latency.p99 / 1e6,
    )


def _flood(settings: Settings, seconds: float) -> list[Seen]:
    with ExitStack() as stack:
        runs: list[tuple[str, str, Run]] = []
        routers = {}
        for mode, feedback in MODES.items():
            directory = settings.directory / feedback.lower()
            directory.mkdir(exist_ok=True)
            (port,) = free_ports(1)
            values = {"engine": port, "patience": f"{PATIENCE:.0f}s", "mode": feedback}
            file = write_resources(directory / "resources", "shedding.yaml", **values)
            stack.enter_context(engine(feedback.lower(), port, settings.cores.load, directory, *ENGINE))
            routers[mode] = stack.enter_context(signalbox(file.parent, settings.cores.proxy, directory)), directory
        for mode, (router, directory) in routers.items():
            for tier, rate in RATES.items():
                load = Load(
                    bodies=[chat.body(max_tokens=80)],
                    seconds=seconds,
                    warmup=seconds / 3,
                    rate=rate,
                    connections=1024,
                    grace=PATIENCE + 5,
                    timeout=PATIENCE + 5,
                    headers=_headers(tier),
                )
                runs.append((mode, tier, Run(load, router.port, settings.cores.load, directory)))
        settings.tell("a flood")
        return [Seen(mode, tier, each.result()) for mode, tier, each in runs]


def _headers(tier: str) -> tuple[str, ...]:
    others = tuple(header for header in chat.HEADERS if not header.startswith("Authorization"))
    return (*others, f"Authorization: Bearer {chat.CLIENT_KEY}-{tier}")
