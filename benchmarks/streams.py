"""A thousand streams at once through one worker: none may break, and memory must stay flat."""

import statistics
import time

from benchmarks.harness import chat
from benchmarks.harness.bench import Settings
from benchmarks.harness.load import Load, Run, upstream
from benchmarks.harness.processes import memory
from benchmarks.harness.report import Cell, Report, Table
from benchmarks.harness.router import signalbox, write_resources

STREAMS = 1000
CHUNKS = 200
INTERVAL = 0.1
RAMP = 5.0
FLAT_PERCENT = 5.0


def run(settings: Settings) -> Report:
    """Every connection streams back to back for a minute; each stream lasts 20 s and is checked to its last event."""
    seconds = settings.choose(60, 10)
    load = Load(
        bodies=[chat.body(stream=True)],
        seconds=seconds,
        connections=STREAMS,
        warmup=0,
        ramp=RAMP,
        grace=CHUNKS * INTERVAL * 2 + 10,
        timeout=CHUNKS * INTERVAL * 3,
    )
    with upstream(settings.cores.load, settings.directory, ports=2, chunks=CHUNKS, interval=INTERVAL) as engines:
        small, strong = engines.ports
        resources = write_resources(settings.directory / "resources", "rules.yaml", small=small, strong=strong).parent
        with signalbox(resources, settings.cores.proxy, settings.directory) as router:
            worker = router.worker()
            idle = memory(worker).rss
            run = Run(load, router.port, settings.cores.load, settings.directory, router.processes())
            start = time.monotonic()
            samples: list[tuple[float, float]] = []
            while run.active:
                samples.append((time.monotonic() - start, memory(worker).rss))
                settings.tell(f"{samples[-1][0]:.0f} s, worker {samples[-1][1]:.1f} MB")
                time.sleep(1)
            counts = run.result()
            after = memory(worker).rss
    held = [mb for at, mb in samples if RAMP + 1 <= at <= seconds]
    third = max(1, len(held) // 3)
    first, last = statistics.mean(held[:third]), statistics.mean(held[-third:])
    growth = (last - first) / first * 100
    report = Report(
        "streams",
        f"{settings.where()}. One worker, {STREAMS:,} connections, each with one stream after the other for "
        f"{seconds:.0f} s: {CHUNKS} events, one every {INTERVAL * 1000:.0f} ms.",
    )
    counted: list[tuple[Cell, ...]] = [
        ("streams counted", counts.counted),
        ("ended well", counts.ok),
        ("broken", counts.failures),
        ("events/s", counts.events_per_second),
        ("core used %", counts.busy * 100),
        ("first event p50 ms", counts.first_event_us.p50 / 1000),
        ("first event p99 ms", counts.first_event_us.p99 / 1000),
    ]
    sizes: list[tuple[Cell, ...]] = [
        ("before", idle),
        ("under load, first third", first),
        ("under load, last third", last),
        ("growth %", growth),
        ("after", after),
    ]
    report.tables = [
        Table("Streams", ("", "count"), counted),
        Table("Resident memory of the worker", ("", "MB"), sizes),
    ]
    found = f"{counts.failures} of {counts.counted:,}" + (f" {counts.failed}" if counts.failed else "")
    report.expect("no stream broken", found, counts.failures == 0 and counts.ok >= STREAMS)
    report.expect(f"memory flat (within {FLAT_PERCENT:.0f} %)", f"{growth:+.1f} %", abs(growth) <= FLAT_PERCENT)
    report.notes += counts.samples[:2]
    return report
