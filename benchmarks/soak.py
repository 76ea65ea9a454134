"""Mixed traffic for a long time, over engines that fail in every way and a policy that changes under it.

One engine is at fault at a time, between two healthy times: what a client sees beyond what that fault explains is an
error of the router's. MINUTES in the environment says how long (30).
"""

import os
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from benchmarks.harness import chat
from benchmarks.harness.bench import Settings
from benchmarks.harness.load import Load, Run
from benchmarks.harness.processes import free_ports, memory
from benchmarks.harness.report import Cell, Report, Table
from benchmarks.harness.router import Router, engine, kill, set_fault, signalbox, write_resources

ENGINE = ("--speed", "20", "--output-tokens", "30", "--batch", "64", "--seed", "1")
NAMES = ("one", "two", "three")
HEALTHY_SECONDS, FAULT_SECONDS, RELOAD_SECONDS = 2.0, 6.0, 1.0
PATIENCE = 40.0
GROWTH_PERCENT = 10.0
KILLED, HEALTHY = "killed", "none"
# Streams that have begun cannot be saved from these, nor can the last step of a chain: they end with an error event.
BEGUN = frozenset((KILLED, "stalled", "cut"))
FAULTS: dict[str, dict[str, Any]] = {
    KILLED: {},
    "500": {"status": 500},
    "stalled": {"stalled": True},
    "429": {"status": 429},
    "cut": {"cutAfter": 5},
    "error event": {"errorEvent": 503},
    "401": {"status": 401},
    "draining": {"draining": True},
}
UNARY, STREAMS, CHAINS, CLASSIFIED, BIG, LEAVING = "unary", "streams", "chains", "classified", "big", "leaving"


@dataclass
class Totals:
    """Over all rounds. ``explained`` and ``unexplained`` count errors by kind of request, fault and class.

    ``late`` is by how many seconds the worker's loop was late at most.
    """

    requests: Counter[str] = field(default_factory=Counter)
    ok: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    explained: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    unexplained: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    samples: list[str] = field(default_factory=list)
    edits: int = 0
    late: float = 0.0


def run(settings: Settings) -> Report:
    """Rounds of a healthy time, a fault, and a healthy time; between two of them all engines come back."""
    minutes = float(os.environ.get("MINUTES", settings.choose(30, 0.6)))
    totals, sizes = Totals(), []
    with ExitStack() as stack:
        ports = dict(zip(NAMES, free_ports(len(NAMES)), strict=True))
        start = partial(_start, stack, settings, ports)
        pids = {name: start(name) for name in NAMES}
        resources = settings.directory / "resources"
        write_resources(resources, "soak.yaml", weight=10, **ports)
        router = stack.enter_context(signalbox(resources, settings.cores.proxy, settings.directory))
        worker, until, number = router.worker(), time.monotonic() + minutes * 60, 0
        while number < 2 or time.monotonic() < until:
            fault, name = list(FAULTS)[number % len(FAULTS)], NAMES[number % len(NAMES)]
            settings.tell(f"round {number + 1}: {fault}, engine {name}; {max(0, until - time.monotonic()):.0f} s left")
            # An engine stays out for a while after its fault: the next one must not leave a single one.
            while router.total("signalbox_router_usable_endpoints") < len(NAMES):
                _round(settings, router, totals, HEALTHY, 0, ports, name)
            _round(settings, router, totals, fault, pids[name], ports, name)
            if fault == KILLED:
                pids[name] = start(name)
            sizes.append(memory(worker).rss)
            number += 1
        same = router.worker() == worker
    return _report(settings, minutes, totals, sizes, same)


def _start(stack: ExitStack, settings: Settings, ports: dict[str, int], name: str) -> int:
    return stack.enter_context(engine(name, ports[name], settings.cores.load, settings.directory, *ENGINE))


def _loads() -> dict[str, Load]:
    seconds = 2 * HEALTHY_SECONDS + FAULT_SECONDS
    make = partial(Load, seconds=seconds, warmup=0, connections=64, grace=PATIENCE, timeout=PATIENCE)
    big = chat.body(user="u" * 500_000)
    return {
        UNARY: make(bodies=[chat.body()], rate=8),
        STREAMS: make(bodies=[chat.body(stream=True)], rate=6),
        CHAINS: make(
            bodies=[
                chat.body(model=model, stream=stream)
                for model in ("cascade", "best", "consensus")
                for stream in (False, True)
            ],
            rate=3,
        ),
        CLASSIFIED: make(bodies=[chat.body(model="classified", user=str(i)) for i in range(16)], rate=2),
        BIG: make(bodies=[big], rate=1),
        LEAVING: make(bodies=[chat.body(stream=True), chat.body(model="best")], rate=3, timeout=0.05),
    }


def _round(
    settings: Settings, router: Router, totals: Totals, fault: str, pid: int, ports: dict[str, int], name: str
) -> None:
    runs = {kind: Run(load, router.port, settings.cores.load, settings.directory) for kind, load in _loads().items()}
    began, state = time.monotonic(), 0
    while any(each.active for each in runs.values()):
        passed = time.monotonic() - began
        if state == 0 and passed > HEALTHY_SECONDS and fault != HEALTHY:
            state = 1
            totals.faults[fault] += 1
            if fault == KILLED:
                kill(pid)
            else:
                set_fault(ports[name], **FAULTS[fault])
        elif state == 1 and passed > HEALTHY_SECONDS + FAULT_SECONDS:
            state = 2
            if fault != KILLED:
                set_fault(ports[name])
        totals.edits += 1
        totals.late = max(totals.late, router.total("signalbox_router_worker_loop_lag_seconds"))
        write_resources(router.directory, "soak.yaml", weight=5 + totals.edits % 10, **ports)
        time.sleep(RELOAD_SECONDS)
    for kind, each in runs.items():
        counts = each.result()
        totals.requests[kind] += counts.counted
        totals.ok[kind] += counts.ok
        wrong = counts.failed | ({"unfinished": counts.unfinished} if counts.unfinished else {})
        for what, count in wrong.items():
            known = explains(kind, fault, what)
            (totals.explained if known else totals.unexplained)[kind, fault, what] += count
            if not known:
                totals.samples += [f"{kind}, {fault}: {sample}" for sample in counts.samples[:2]]


def explains(kind: str, fault: str, error: str) -> bool:
    """Whether a fault of one engine of three may show in this way."""
    if kind == LEAVING and error in {"timeout", "unfinished"}:
        return True  # the client's own doing
    return kind in {STREAMS, CHAINS, LEAVING} and fault in BEGUN and error == "error_event"


def _report(settings: Settings, minutes: float, totals: Totals, sizes: list[float], same: bool) -> Report:
    report = Report(
        "soak",
        f"{settings.where()}. {minutes:g} minutes; one worker, three engines; rounds of {HEALTHY_SECONDS:.0f} s, "
        f"{FAULT_SECONDS:.0f} s with one engine at fault, {HEALTHY_SECONDS:.0f} s; the policy is replaced each second.",
    )
    rows: list[tuple[Cell, ...]] = [
        (kind, totals.requests[kind], totals.ok[kind], _sum(totals.explained, kind), _sum(totals.unexplained, kind))
        for kind in totals.requests
    ]
    columns = ("", "requests", "ok", "ended by a fault or the client", "not explained")
    report.tables.append(Table("What clients saw", columns, rows))
    report.tables.append(
        Table("What was done", ("", "times"), [*totals.faults.items(), ("policy replaced", totals.edits)])
    )
    warm = min(len(FAULTS), len(sizes) // 2)  # every fault was seen once, so that whatever is kept of it is there
    first = sizes[warm]
    report.tables.append(
        Table(
            "Resident memory of the worker",
            ("", "MB"),
            [(f"after {warm + 1} rounds", first), ("at the end", sizes[-1])],
        )
    )
    report.expect("no error without a fault that explains it", dict(totals.unexplained) or "0", not totals.unexplained)
    report.expect("the worker is the one that began", same, same)
    growth = (sizes[-1] - first) / first * 100
    report.expect(f"memory flat (within {GROWTH_PERCENT:.0f} %)", f"{growth:+.1f} %", growth <= GROWTH_PERCENT)
    report.notes.append(f"The worker's loop was late by {totals.late * 1000:.0f} ms at most.")
    report.notes += totals.samples[:10]
    return report


def _sum(errors: Counter[tuple[str, str, str]], kind: str) -> int:
    return sum(count for (of, _, _), count in errors.items() if of == kind)
