"""What it costs to ask thousands of engines for their metrics, on one core, and how late they are asked."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.harness.bench import Settings
from benchmarks.harness.errors import BenchError
from benchmarks.harness.metrics_server import page
from benchmarks.harness.processes import free_ports, running, start, stop, tail
from benchmarks.harness.report import Cell, Report, Spread, Table
from benchmarks.harness.scraping_process import Cost
from signalbox.feedback.engines import reader

ENDPOINTS = 5_000
INTERVAL = 5.0
PROMISED_CPU = 1.0
PROMISED_LATE = 1.0


def run(settings: Settings) -> Report:
    """One scraper on its core, a server that stands in for all engines on the others; few of them, half, and all."""
    warm, seconds = 2 * INTERVAL, settings.choose(30, 5)
    rows = []
    (port,) = free_ports(1)
    server = [sys.executable, "-m", "benchmarks.harness.metrics_server", str(port)]
    with running(server, settings.cores.load, settings.directory / "server.log", [port]):
        for endpoints in (ENDPOINTS // 10, ENDPOINTS // 2, ENDPOINTS):
            settings.tell(f"{endpoints} endpoints")
            cost = _scrape(settings, port, endpoints, warm, seconds)
            rows.append((endpoints, cost))
    report = Report(
        "scraping",
        f"Every endpoint every {INTERVAL:g} s, 50 KB of vLLM's metrics each, plain HTTP, kept connections; scraper on "
        "one core, server on the others. Late: from when a look was due until it began. Waited: for a core that others "
        "had. Oldest: of all readings.",
    )
    columns = ("endpoints", "looks/s", "CPU %", "waited %", "µs a look", "late p50 ms", "late p99 ms")
    columns += ("took p50 ms", "took p99 ms", "oldest s", "RSS MB", "KB an endpoint")
    report.tables.append(
        Table(
            "Scraping",
            columns,
            [
                (
                    str(endpoints),
                    cost.looks / cost.wall,
                    100 * cost.cpu,
                    100 * cost.waited,
                    1e6 * cost.cpu * cost.wall / max(1, cost.looks),
                    1e3 * cost.late_p50,
                    1e3 * cost.late_p99,
                    1e3 * cost.took_p50,
                    1e3 * cost.took_p99,
                    cost.oldest,
                    cost.rss,
                    1e3 * (cost.rss - cost.rss_before) / endpoints,
                )
                for endpoints, cost in rows
            ],
        )
    )
    report.tables.append(_reading(settings))
    _, cost = rows[-1]
    failed = {kind: count for kind, count in cost.problems.items() if count}
    report.expect(
        f"{ENDPOINTS} endpoints every {INTERVAL:g} s fit on one core",
        f"{100 * cost.cpu:.0f} % CPU, {cost.looks / cost.wall:.0f} looks/s",
        cost.cpu < PROMISED_CPU and cost.looks / cost.wall >= 0.98 * ENDPOINTS / INTERVAL,
    )
    report.expect(
        f"and are asked at most {PROMISED_LATE:g} s late (p99)",
        f"{1e3 * cost.late_p99:.0f} ms",
        cost.looks > 0 and cost.late_p99 <= PROMISED_LATE,
    )
    report.expect("none is left out", failed or "none", not failed)
    return report


def _reading(settings: Settings) -> Table:
    """One text, read as the scraper does, and whole as Prometheus' own parser for Python does."""
    text = page()
    ours = reader("VLLM", None, "m")
    own = [_seconds(lambda: ours.read(text, 0.0), 50) for _ in range(settings.rounds)]
    whole = [_seconds(lambda: list(text_string_to_metric_families(text.decode())), 2) for _ in range(settings.rounds)]
    rows: list[tuple[Cell, ...]] = [
        ("signalbox", Spread.of(1e6 * each for each in own), "1"),
        (
            "prometheus_client",
            Spread.of(1e6 * each for each in whole),
            Spread.of(w / o for w, o in zip(whole, own, strict=True)),
        ),
    ]
    return Table(f"Reading {len(text) / 1e3:.0f} KB", ("reader", "µs", "ratio"), rows)


def _seconds(work: Callable[[], object], times: int) -> float:
    begun = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - begun) / times


def _scrape(settings: Settings, port: int, endpoints: int, warm: float, seconds: float) -> Cost:
    log = settings.directory / f"scraper-{endpoints}.log"
    numbers = [port, endpoints, INTERVAL, warm, seconds]
    command: list[str | Path] = [sys.executable, "-m", "benchmarks.harness.scraping_process", *map(str, numbers)]
    process = start(command, settings.cores.proxy, log)
    try:
        process.wait(warm + seconds + 60)
    except subprocess.TimeoutExpired:
        raise BenchError(f"the scraper did not end:\n{tail(log)}") from None
    finally:
        stop(process)
    if process.returncode:
        raise BenchError(f"the scraper ended with status {process.returncode}:\n{tail(log)}")
    return msgspec.json.decode(log.read_bytes().splitlines()[-1], type=Cost)
