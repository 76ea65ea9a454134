"""Memory of an idle worker, before and after it worked."""

import time

from benchmarks.harness import chat
from benchmarks.harness.bench import Settings
from benchmarks.harness.load import Load, upstream
from benchmarks.harness.load import run as run_load
from benchmarks.harness.processes import memory
from benchmarks.harness.report import Cell, Report, Table
from benchmarks.harness.router import signalbox, write_resources

PROMISED_MB = 45.0


def run(settings: Settings) -> Report:
    """One worker with the policy of eight conditions: after its start, and idle again after load."""
    rest = settings.choose(5, 1)
    with upstream(settings.cores.load, settings.directory, ports=2) as engines:
        small, strong = engines.ports
        resources = write_resources(settings.directory / "resources", "rules.yaml", small=small, strong=strong).parent
        with signalbox(resources, settings.cores.proxy, settings.directory) as router:
            worker = router.worker()
            time.sleep(rest)
            fresh, parent = memory(worker), memory(router.pid)
            settings.tell("load")
            load = Load(bodies=[chat.body(), chat.body(stream=True)], seconds=settings.choose(20, 3), connections=64)
            run_load(load, router.port, settings.cores.load, settings.directory)
            time.sleep(rest)
            rested = memory(worker)
    rows: list[tuple[Cell, ...]] = [
        ("worker, started and idle", fresh.rss, fresh.pss),
        ("worker, idle again after load", rested.rss, rested.pss),
        ("parent of signalbox up (reads YAML, plans, watches)", parent.rss, parent.pss),
    ]
    report = Report("memory", "One worker, 2 backends, 9 routes, one tenant. MB are 10⁶ bytes.")
    report.tables.append(Table("Memory", ("process", "RSS MB", "PSS MB"), rows))
    report.expect(
        f"an idle worker takes at most {PROMISED_MB:.0f} MB", f"RSS {fresh.rss:.1f} MB", fresh.rss <= PROMISED_MB
    )
    return report
