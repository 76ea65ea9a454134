"""From nothing to the first answer, and from an edit to the changed behaviour at every router."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx

from benchmarks.cluster.load import body
from benchmarks.cluster.stand import Stand, resources, seconds_until
from benchmarks.harness.bench import Settings
from benchmarks.harness.report import Report, Table

EDITS = 20
PROMISE_SECONDS = 1.0


def run(stand: Stand, settings: Settings) -> Report:
    """Must be the first scenario: it applies the resources."""
    report = Report("reaction", "Engines, backends and policy applied at once; then the policy's target edited.")
    begin = time.monotonic()
    stand.apply(*(obj for obj in resources() if obj["kind"] in {"Deployment", "Service", "Secret"}))
    for name in ("a", "b"):
        stand.rolled_out(name)
    engines = time.monotonic() - begin
    settings.tell("engines are ready; applying backends and policy")
    begin = time.monotonic()
    stand.apply(*(obj for obj in resources() if obj["kind"] in {"ModelBackend", "RoutingPolicy"}))
    children = seconds_until(lambda: stand.api.get("v1", "Service", "chat-router", stand.namespace), begin)
    answered = seconds_until(lambda: ask(stand.url()).is_success, begin)
    stand.kubectl("wait", "--for=condition=Ready", "routingpolicy/chat", "--timeout=120s")
    ready = time.monotonic() - begin
    rows = [("engines rolled out", engines), ("policy to Service", children), ("policy to first answer", answered)]
    report.tables.append(Table("seconds", ("", "s"), [*rows, ("policy to Ready", ready)]))
    times = edits(stand, settings)
    p50, p99 = times[len(times) // 2], times[-1]
    report.tables.append(
        Table(f"{len(times)} edits, seconds until every router behaves so", ("", "p50", "worst"), [("edit", p50, p99)])
    )
    report.expect(
        f"an edit serves on every router within {PROMISE_SECONDS:g} s", f"{p99:.2f} s", p99 <= PROMISE_SECONDS
    )
    return report


def edits(stand: Stand, settings: Settings) -> list[float]:
    """Seconds of each edit, sorted."""
    hosts = [pod["status"]["podIP"] for pod in stand.routers()]
    times = []
    with ThreadPoolExecutor(len(hosts)) as pool:
        for number in range(round(settings.choose(EDITS, 5))):
            target = "ba"[number % 2]
            begin = time.monotonic()
            stand.apply(stand.policy(target))

            def changed(host: str, target: str = target, begin: float = begin) -> float:
                url = f"http://{host}:8080/v1/chat/completions"
                return seconds_until(lambda: ask(url).headers["x-signalbox-target"] == target, begin, 0.005)

            times.append(max(pool.map(changed, hosts)))
            settings.tell(f"edit {number + 1}: {times[-1]:.2f} s")
    return sorted(times)


def ask(url: str) -> httpx.Response:
    """A short chat completion."""
    return httpx.post(url, json=body(1), trust_env=False, timeout=30)
