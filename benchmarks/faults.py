"""What clients see when one of two engines fails under load: counted on the clients' side, unary and streams apart."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.harness import chat
from benchmarks.harness.bench import Settings
from benchmarks.harness.load import Counts, Load, Run
from benchmarks.harness.processes import free_ports
from benchmarks.harness.report import Cell, Report, Table
from benchmarks.harness.router import Router, engine, kill, set_fault, signalbox, write_resources

UNARY_RATE = 40.0
STREAM_RATE = 20.0
WARMUP = 1.0
HEALTHY_SECONDS = 2.0
FIRST_TOKEN = 5.0
REQUEST = 30.0
ENGINE = ("--speed", "10", "--output-tokens", "60", "--batch", "64", "--seed", "1")


@dataclass(frozen=True)
class Fault:
    """What goes wrong. ``begun``: streams with content already sent are expected to end with an error event."""

    name: str
    switch: dict[str, Any]
    begun: bool = False
    judged: bool = True


FAULTS = (
    Fault("killed (SIGKILL)", {}, begun=True),
    Fault("stalled", {"stalled": True}, begun=True, judged=False),
    Fault("answers 500", {"status": 500}),
    Fault("answers 401", {"status": 401}),
    Fault("200, then an error event", {"errorEvent": 503}),
    Fault("draining, gauges at 0", {"draining": True}),
    Fault("cut mid-stream", {"cutAfter": 5}, begun=True),
)

BAD_BODIES = (
    b"this is not JSON",
    b'{"model": "auto", "messages": [{"role": "user", "content": "cut off',
    b"[1, 2, 3]",
    b'{"model": "auto"}',
    chat.body(model="no-such-model"),
    chat.body(max_tokens=-1),
    chat.body(messages="not a list"),
    chat.body(messages=[]),
    chat.body(stream=True, max_tokens=0),
)


@dataclass(frozen=True)
class Seen:
    """Of one kind of requests: what clients counted, and how many of them took a second try."""

    counts: Counts
    retried: int


def run(settings: Settings) -> Report:
    """Every fault on fresh engines and a fresh router; it lasts from two seconds after the start to the end."""
    seconds = settings.choose(30, 8)
    report = Report(
        "faults",
        f"Two simulated engines with half of the traffic each, one of them at fault from {HEALTHY_SECONDS:.0f} s on; "
        f"open loop for {seconds:.0f} s, unary {UNARY_RATE:.0f}/s and streams {STREAM_RATE:.0f}/s; timeouts "
        f"firstToken {FIRST_TOKEN:.0f} s, request {REQUEST:.0f} s. The router has a core of its own.",
    )
    rows: list[tuple[Cell, ...]] = []
    for fault in FAULTS:
        settings.tell(fault.name)
        found, reached, ejections = _one(settings, fault, seconds)
        for kind, seen in found.items():
            rows.append((*_row(fault, kind, seen, reached), ejections))
            if fault.judged:
                _judge(report, fault, kind, seen.counts)
        report.notes += [f"{fault.name}: {text}" for seen in found.values() for text in seen.counts.samples[:1]]
    columns = (
        "fault",
        "",
        "requests",
        "ok",
        "failed",
        "retried",
        "p50 ms",
        "p99 ms",
        "max ms",
        "reached it %",
        "ejections",
    )
    report.tables.append(
        Table("What clients saw (reached it: attempts at the faulty engine, of all since)", columns, rows)
    )
    settings.tell("only bad requests")
    _bad_client(settings, seconds / 2, report)
    return report


@contextmanager
def _stage(settings: Settings) -> Iterator[tuple[Router, int, int]]:
    """A fresh router before two fresh engines: gives the faulty one's process and port."""
    number = len(list(settings.directory.glob("stage-*")))
    directory = settings.directory / f"stage-{number}"
    directory.mkdir()
    sound, faulty = free_ports(2)
    resources = write_resources(
        directory / "resources",
        "failover.yaml",
        sound=sound,
        faulty=faulty,
        first_token=f"{FIRST_TOKEN:.0f}s",
        request=f"{REQUEST:.0f}s",
    ).parent
    with ExitStack() as stack:
        stack.enter_context(engine("sound", sound, settings.cores.load, directory, *ENGINE))
        pid = stack.enter_context(engine("faulty", faulty, settings.cores.load, directory, *ENGINE))
        router = stack.enter_context(signalbox(resources, settings.cores.proxy, directory))
        yield router, pid, faulty


def _loads(seconds: float) -> dict[str, Load]:
    make = partial(Load, seconds=seconds, warmup=WARMUP, connections=512, grace=REQUEST + 15, timeout=REQUEST + 10)
    return {
        "unary": make(bodies=[chat.body()], rate=UNARY_RATE),
        "streams": make(bodies=[chat.body(stream=True)], rate=STREAM_RATE),
    }


def _one(settings: Settings, fault: Fault, seconds: float) -> tuple[dict[str, Seen], float, float]:
    with _stage(settings) as (router, pid, port):
        directory = router.directory.parent
        runs = {kind: Run(load, router.port, settings.cores.load, directory) for kind, load in _loads(seconds).items()}
        time.sleep(WARMUP + HEALTHY_SECONDS)
        before = _attempts(router)
        if fault.switch:
            set_fault(port, **fault.switch)
        else:
            kill(pid)
        results = {kind: each.result() for kind, each in runs.items()}
        time.sleep(1.5)  # counters arrive at the admin port once a second, log lines twice
        after = _attempts(router)
        ejections = router.total("signalbox_router_ejections_total", 'backend="faulty"')
        lines = router.access_log()
    retried = {
        kind: sum(line.get("tries", 0) > 1 for line in lines if line.get("stream", False) is (kind == "streams"))
        for kind in results
    }
    everything = sum(after) - sum(before)
    reached = (after[1] - before[1]) / everything * 100 if everything else 0.0
    return {kind: Seen(counts, retried[kind]) for kind, counts in results.items()}, reached, ejections


def _attempts(router: Router) -> tuple[float, float]:
    sound, faulty = (
        router.total("signalbox_router_attempts_total", f'backend="{name}"') for name in ("sound", "faulty")
    )
    return sound, faulty


def _row(fault: Fault, kind: str, seen: Seen, reached: float) -> tuple[Cell, ...]:
    counts, latency = seen.counts, seen.counts.latency_us
    return (
        fault.name if kind == "unary" else "",
        kind,
        counts.counted,
        counts.ok,
        classes(counts),
        seen.retried,
        latency.p50 / 1000,
        latency.p99 / 1000,
        latency.max / 1000,
        reached,
    )


def classes(counts: Counts) -> str:
    """Failures by class: "503 ×2, error_event ×1"; "0" without any."""
    found = counts.failed | ({"unfinished": counts.unfinished} if counts.unfinished else {})
    return ", ".join(f"{name} ×{count}" for name, count in found.items()) or "0"


def _judge(report: Report, fault: Fault, kind: str, counts: Counts) -> None:
    allowed = counts.failed.get("error_event", 0) if fault.begun and kind == "streams" else 0
    promise = f"{fault.name}, {kind}: no client sees it"
    if fault.begun and kind == "streams":
        promise = f"{fault.name}, streams: those that had begun end with an error event, no other fails"
    report.expect(promise, classes(counts), counts.counted > 0 and counts.failures == allowed)


def _bad_client(settings: Settings, seconds: float, report: Report) -> None:
    with _stage(settings) as (router, _, _):
        directory = router.directory.parent
        good = Run(_loads(seconds)["unary"], router.port, settings.cores.load, directory)
        load = Load(bodies=BAD_BODIES, seconds=seconds, rate=2 * UNARY_RATE, warmup=WARMUP, grace=10)
        bad = Run(load, router.port, settings.cores.load, directory).result()
        counts = good.result()
        time.sleep(1.5)
        ejections = router.total("signalbox_router_ejections_total")
    rows: list[tuple[Cell, ...]] = [
        ("only bad requests", bad.counted, bad.ok, classes(bad)),
        ("good requests beside them", counts.counted, counts.ok, classes(counts)),
    ]
    report.tables.append(
        Table(f"One client sends only bad requests ({len(BAD_BODIES)} kinds)", ("", "requests", "ok", "answers"), rows)
    )
    found = f"{ejections:.0f} ejections after {bad.counted} requests, {bad.ok} of them accepted"
    report.expect("bad requests eject no target", found, ejections == 0 and bad.counted > 0 and bad.ok == 0)
    report.expect("bad requests disturb nobody else", classes(counts), counts.failures == 0)
