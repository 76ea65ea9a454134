"""An edit of the policy every 100 ms under load: no request may fail and no connection may be dropped."""

import time
from functools import partial

from benchmarks.harness import chat
from benchmarks.harness.bench import Settings
from benchmarks.harness.load import Load, Run, upstream
from benchmarks.harness.report import Cell, Report, Table
from benchmarks.harness.router import signalbox, write_resources

EVERY = 0.1
RATE = 1000.0
STREAMS = 100
CHANGES = "signalbox_router_config_changes_total"


def run(settings: Settings) -> Report:
    """Unary requests in an open loop and streams back to back, while a file is replaced again and again."""
    seconds = settings.choose(30, 5)
    make = partial(Load, seconds=seconds, warmup=1.0, grace=10.0)
    unary = make(bodies=[chat.body()], rate=RATE, connections=64)
    streams = make(bodies=[chat.body(stream=True)], connections=STREAMS, ramp=0.5)
    with upstream(settings.cores.load, settings.directory, ports=2, chunks=50, interval=0.02, delay=0.005) as engines:
        ports = {"small": engines.ports[0], "strong": engines.ports[1]}
        resources = settings.directory / "resources"
        write_resources(resources, "reload.yaml", edit=0, weight=10, **ports)
        with signalbox(resources, settings.cores.proxy, settings.directory) as router:
            before = router.total(CHANGES, 'result="applied"')
            runs = [
                Run(load, router.port, settings.cores.load, settings.directory, router.processes())
                for load in (unary, streams)
            ]
            edits, due = 0, time.monotonic() + 1
            while all(run.active for run in runs) and edits < seconds / EVERY:
                time.sleep(max(0.0, due - time.monotonic()))
                due += EVERY
                edits += 1
                write_resources(resources, "reload.yaml", edit=edits, weight=5 + edits % 10, **ports)
                if edits % 10 == 0:
                    settings.tell(f"{edits} edits")
            results = dict(zip(("unary", "streams"), (run.result() for run in runs), strict=True))
            applied = router.total(CHANGES, 'result="applied"') - before
            rejected = router.total(CHANGES, 'result="rejected"')
    report = Report(
        "reload",
        f"{settings.where()}. One worker; unary {RATE:,.0f} requests/s in an open loop, {STREAMS} streams of 50 events "
        f"back to back; the policy file replaced every {EVERY * 1000:.0f} ms for {seconds:.0f} s.",
    )
    rows: list[tuple[Cell, ...]] = [
        (
            name,
            counts.counted,
            counts.ok,
            counts.failures,
            counts.opened,
            counts.reconnected,
            counts.latency_us.p50 / 1000,
            counts.latency_us.p99 / 1000,
            counts.latency_us.max / 1000,
        )
        for name, counts in results.items()
    ]
    columns = ("", "requests", "ok", "failed", "connections opened", "reopened", "p50 ms", "p99 ms", "max ms")
    report.tables.append(
        Table(f"{edits} edits, {applied:.0f} configurations applied, {rejected:.0f} rejected", columns, rows)
    )
    report.expect(
        "the edits were applied (at least half: two at once count as one)",
        f"{applied:.0f} of {edits}",
        applied >= edits / 2,
    )
    failures = sum(counts.failures for counts in results.values())
    report.expect(
        "no failed request", f"{failures} {[c.failed for c in results.values() if c.failed] or ''}", failures == 0
    )
    reopened = sum(counts.reconnected for counts in results.values())
    report.expect("no dropped connection", f"{reopened} reopened", reopened == 0)
    report.notes += [sample for counts in results.values() for sample in counts.samples[:2]]
    return report
