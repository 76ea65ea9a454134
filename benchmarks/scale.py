"""What size costs: workers, routes of a policy and targets of a route; requests/s and memory of each."""

import itertools
import os

from benchmarks.harness import chat
from benchmarks.harness.bench import Settings
from benchmarks.harness.errors import BenchError
from benchmarks.harness.load import Load, upstream
from benchmarks.harness.load import run as load_run
from benchmarks.harness.processes import memory
from benchmarks.harness.report import Cell, Report, Table
from benchmarks.harness.router import signalbox

WORKERS = (1, 2)
ROUTES = (1, 32, 128)
TARGETS = (1, 10, 64)
HEAD = f"""apiVersion: v1
kind: Secret
metadata: {{name: bench-client}}
stringData: {{key: {chat.CLIENT_KEY}}}
"""


def run(settings: Settings) -> Report:
    """Every combination on a router of its own, in a closed loop."""
    seconds = settings.choose(5, 1)
    rows: list[tuple[Cell, ...]] = []
    with upstream(settings.cores.load, settings.directory) as engines:
        for workers, routes, targets in itertools.product(WORKERS, ROUTES, TARGETS):
            settings.tell(f"{workers} workers, {routes} routes, {targets} targets")
            directory = settings.directory / f"{workers}-{routes}-{targets}"
            directory.mkdir(exist_ok=True)
            resources = directory / "resources"
            resources.mkdir(exist_ok=True)
            (resources / "scale.yaml").write_text(policy(routes, targets, engines.ports[0]))
            on = settings.cores.proxy if workers == 1 else frozenset(os.sched_getaffinity(0))
            load = Load(bodies=[chat.body()], seconds=seconds, connections=64)
            with signalbox(resources, on, directory, workers=workers) as router:
                idle = [memory(pid).rss for pid in router.workers()]
                counts = load_run(load, router.port, settings.cores.load, directory, router.processes())
                after = [memory(pid).rss for pid in router.workers()]
            if counts.failed:  # what the end of the run cut off is no failure
                raise BenchError(f"{directory.name}: requests failed: {counts.failed}; {counts.samples[:1]}")
            rows.append(
                (
                    str(workers),
                    routes,
                    targets,
                    counts.per_second,
                    counts.per_second / counts.busy,
                    counts.latency_us.p50 / 1000,
                    max(idle),
                    max(after),
                )
            )
    report = Report(
        "scale",
        f"{settings.where()}; two workers have both cores, which the load generator shares with them, so their "
        "requests/s are a lower bound. The last route matches, after the conditions of all others; weighted over all "
        f"targets; 64 connections, closed loop, {seconds:.0f} s each.",
    )
    columns = ("workers", "routes", "targets", "requests/s", "requests/CPU-s", "p50 ms", "MB a worker, idle", "after")
    report.tables.append(Table("Every combination on a router of its own", columns, rows))
    return report


def policy(routes: int, targets: int, port: int) -> str:
    """A policy of so many routes, of which the last one takes every request, and of so many targets."""
    parts = [HEAD]
    parts += [
        "apiVersion: signalbox.dev/v1alpha1\nkind: ModelBackend\n"
        f"metadata: {{name: engine-{number}}}\n"
        f"spec: {{model: bench-{number}, url: 'http://127.0.0.1:{port}/v1'}}\n"
        for number in range(targets)
    ]
    conditions = [
        f"    - {{name: route{number}, when: 'query.chars < {10 + number}', weighted: {{targets: [{{name: t0}}]}}}}"
        for number in range(routes - 1)
    ]
    lines = [
        "apiVersion: signalbox.dev/v1alpha1",
        "kind: RoutingPolicy",
        "metadata: {name: bench}",
        "spec:",
        "  models: [auto]",
        "  access: {tenants: [{name: support, keysFrom: [{secretRef: {name: bench-client}}]}]}",
        "  targets:",
        *(f"    - {{name: t{number}, backendRef: {{name: engine-{number}}}}}" for number in range(targets)),
        "  routes:",
        *conditions,
        "    - name: rest",
        "      weighted: {targets: [" + ", ".join(f"{{name: t{number}}}" for number in range(targets)) + "]}",
    ]
    return "---\n".join([*parts, "\n".join(lines) + "\n"])
