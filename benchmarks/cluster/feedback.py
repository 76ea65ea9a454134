"""An engine throttled: until every router sends it less. And the operator gone: the last weights, then those without
load, then a new leader that changes nothing by being new."""

import re
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import yaml

from benchmarks.cluster.load import Load
from benchmarks.cluster.stand import OPERATOR, Stand, seconds_until
from benchmarks.harness.bench import Settings
from benchmarks.harness.errors import BenchError
from benchmarks.harness.report import Report, Spread, Table

RESOURCES = Path(__file__).with_name("feedback.yaml")
PERIOD, STALE = 5.0, 15.0  # as by default
PROMISE_PERIODS = 1.5
RATE = 30.0
TOKENS = 10
TRIALS = 8
SETTLE_PERIODS = 4
# Of its share of what a router sends, counted over so many seconds: chance alone seldom moves it so far.
MOVED = 0.4
WINDOW = 2.0
# Requests that say anything of shares.
FEWEST = 10
# A slighter change is within the dead band of the law for a while.
SLOW = 10.0
NAMES = ("one", "two")
INSTANCE = "app.kubernetes.io/instance=loop-router"


def run(stand: Stand, settings: Settings) -> Report:
    """No request may fail meanwhile."""
    stand.apply(*yaml.safe_load_all(RESOURCES.read_text()))
    for name in (*NAMES, "loop-router"):
        seconds_until(lambda name=name: stand.api.get("apps/v1", "Deployment", name, stand.namespace))
        stand.rolled_out(name)
    service = stand.api.get("v1", "Service", "loop-router", stand.namespace)
    report = Report(
        "feedback",
        f"Two simulated engines as pods, {RATE:g} requests/s through two routers; period {PERIOD:g} s. One engine gets "
        f"{SLOW:g} times slower; changed: of what a router began to send in {WINDOW:g} s "
        f"its share is {100 * MOVED:.0f} % less.",
    )
    with Load(f"http://{service['spec']['clusterIP']}:8080/v1/chat/completions", rate=RATE, short=TOKENS) as load:
        seconds_until(lambda: all(weights(host) for host in routers(stand)))
        _throttle(stand, settings, report)
        _without_operator(stand, settings, report)
    report.expect("no failed request", load.unary, load.unary.failed == 0)
    return report


def _throttle(stand: Stand, settings: Settings, report: Report) -> None:
    found: list[float] = []
    for number in range(round(settings.choose(TRIALS, 3))):
        time.sleep(SETTLE_PERIODS * PERIOD + number * 0.37 * PERIOD)  # at another moment of the period each time
        name = NAMES[number % 2]
        watched = [Shares(host, name) for host in routers(stand)]
        before = [each.over(3 * WINDOW) for each in watched]
        fault(stand, name, slow=SLOW)
        begin = time.monotonic()
        with ThreadPoolExecutor(len(watched)) as pool:
            waits = [
                pool.submit(seconds_until, each.fallen_to((1.0 - MOVED) * share), begin)
                for each, share in zip(watched, before, strict=True)
            ]
        found.append(max(wait.result() for wait in waits) / PERIOD)
        fault(stand, name)
        settings.tell(f"throttled {name}: {found[-1]:.2f} periods")
    ordered = sorted(found)
    rows = [("throttled", len(found), Spread.of(found), ordered[-1])]
    report.tables.append(
        Table("periods until every router had changed its shares", ("", "trials", "p50", "worst"), rows)
    )
    report.expect(
        f"a change of load is in the shares of every router within {PROMISE_PERIODS:g} periods",
        f"{ordered[-1]:.2f}",
        ordered[-1] <= PROMISE_PERIODS,
    )


class Shares:
    """What a router begins to send to one target, of all that it sends."""

    def __init__(self, host: str, name: str) -> None:
        self._host, self._name = host, name
        self._seen: deque[tuple[float, dict[str, float]]] = deque()

    def over(self, seconds: float) -> float:
        """Its share in so many seconds from now."""
        before = started(self._host)
        time.sleep(seconds)
        after = started(self._host)
        if _sent(before, after) < FEWEST:
            raise BenchError(f"router {self._host} sent next to nothing")
        return self._share(before, after)

    def fallen_to(self, share: float) -> Callable[[], bool]:
        """Whether it has been that or less over the last window; to be asked again and again."""

        def fallen() -> bool:
            now = time.monotonic()
            self._seen.append((now, started(self._host)))
            while len(self._seen) > 1 and self._seen[1][0] <= now - WINDOW:
                self._seen.popleft()
            first, last = self._seen[0], self._seen[-1]
            enough = last[0] - first[0] >= 0.9 * WINDOW and _sent(first[1], last[1]) >= FEWEST
            return enough and self._share(first[1], last[1]) <= share

        return fallen

    def _share(self, before: dict[str, float], after: dict[str, float]) -> float:
        begun = {name: after[name] - before.get(name, 0.0) for name in after}
        return begun.get(self._name, 0.0) / max(1.0, sum(begun.values()))


def _sent(before: dict[str, float], after: dict[str, float]) -> float:
    return sum(after.values()) - sum(before.values())


def _without_operator(stand: Stand, settings: Settings, report: Report) -> None:
    """Killed as by a crash, and kept from coming back for a while."""
    time.sleep(SETTLE_PERIODS * PERIOD)
    fault(stand, "one", slow=SLOW)
    time.sleep(3 * PERIOD)
    operator = stand.kubectl("get", "deployment", "-o", "name", namespace=OPERATOR).split()[0].partition("/")[2]
    stand.kubectl("scale", f"deployment/{operator}", "--replicas=0", namespace=OPERATOR)
    stand.kubectl("delete", "pod", "--all", "--grace-period=0", "--force", namespace=OPERATOR)
    hosts, begin = routers(stand), time.monotonic()
    last = {host: weights(host) for host in hosts}
    time.sleep(STALE / 2)
    held = all(weights(host) == last[host] for host in hosts)
    report.expect("without an operator the last weights hold", f"after {STALE / 2:g} s: {last[hosts[0]]}", held)
    alone = max(seconds_until(lambda host=host: not by_load(host), begin) for host in hosts)
    base = weights(hosts[0])
    report.expect(
        f"after staleAfter ({STALE:g} s) weights without load hold", f"after {alone:.1f} s: {base}", alone < STALE + 2
    )
    settings.tell("the operator comes back")
    stand.kubectl("scale", f"deployment/{operator}", "--replicas=2", namespace=OPERATOR)
    begin, seen = time.monotonic(), [base["one"]]
    while time.monotonic() - begin < 30.0:
        if (now := weights(hosts[0])["one"]) != seen[-1]:
            seen.append(now)
        time.sleep(0.05)
    fault(stand, "one")
    jump = max((abs(after / before - 1.0) for before, after in pairwise(seen)), default=0.0)
    text = " → ".join(f"{weight:.3f}" for weight in seen[:8])
    report.expect("a new leader moves no weight by more than half at once", text, jump <= 0.51)
    report.expect("routers follow load again", all(by_load(host) for host in hosts), all(map(by_load, hosts)))


def routers(stand: Stand) -> list[str]:
    """Addresses of their pods."""
    return [pod["status"]["podIP"] for pod in stand.pods(INSTANCE)]


def weights(host: str) -> dict[str, float]:
    """In force in a router, by target."""
    return {re.findall(r'target="(\w+)"', labels)[0]: value for labels, value in _series(host, "route_weight")}


def started(host: str) -> dict[str, float]:
    """Requests that a router has begun to send, by target: those that have ended, and those that have not."""
    found: Counter[str] = Counter()
    for labels, value in _series(host, "requests_total"):
        found[re.findall(r'target="(\w*)"', labels)[0]] += value
    for labels, value in _series(host, "endpoint_in_flight"):
        found[re.findall(r'backend="(\w+)"', labels)[0]] += value
    return {name: found[name] for name in NAMES}


def by_load(host: str) -> bool:
    """Whether load has a say there."""
    return any(value for _, value in _series(host, "weights_by_load"))


def _series(host: str, name: str) -> list[tuple[str, float]]:
    text = httpx.get(f"http://{host}:9090/metrics", trust_env=False, timeout=10).text
    found = re.findall(rf"^signalbox_router_{name}{{([^}}]*)}} (\S+)$", text, re.MULTILINE)
    return [(labels, float(value)) for labels, value in found]


def fault(stand: Stand, name: str, **faults: Any) -> None:
    """Throw the switch of an engine; without any, it is well again."""
    (pod,) = stand.api.list("v1", "Pod", stand.namespace, labelSelector=f"app={name}")
    url = f"http://{pod['status']['podIP']}:8000/sim/faults"
    httpx.post(url, json=faults, trust_env=False, timeout=10).raise_for_status()
