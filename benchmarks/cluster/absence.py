"""The operator gone for minutes under load, while every engine pod and a router pod are replaced."""

import time

from benchmarks.cluster.load import Load
from benchmarks.cluster.stand import OPERATOR, Stand
from benchmarks.harness.bench import Settings
from benchmarks.harness.report import Report

RATE = 20.0
SECONDS = 300.0


def run(stand: Stand, settings: Settings) -> Report:
    """No request may fail."""
    seconds = settings.choose(SECONDS, 60)
    operator = stand.kubectl("get", "deployment", "-o", "name", namespace=OPERATOR).split()[0].partition("/")[2]
    with Load(stand.url(), rate=RATE) as load:
        stand.kubectl("scale", f"deployment/{operator}", "--replicas=0", namespace=OPERATOR)
        stand.kubectl("wait", "--for=delete", "pod", "--all", "--timeout=60s", namespace=OPERATOR)
        begin = time.monotonic()
        settings.tell("the operator is gone; replacing all engines and a router")
        for name in ("a", "b"):
            stand.kubectl("rollout", "restart", f"deployment/{name}")
        for name in ("a", "b"):
            stand.rolled_out(name)
        stand.kubectl("delete", "pod", stand.routers()[0]["metadata"]["name"], "--wait=false")
        time.sleep(max(0.0, begin + seconds - time.monotonic()))
        absent = time.monotonic() - begin
        stand.kubectl("scale", f"deployment/{operator}", "--replicas=2", namespace=OPERATOR)
        stand.rolled_out(operator, OPERATOR)
        time.sleep(5)
    report = Report(
        "absence", f"{RATE:g} requests/s; no operator for {absent:.0f} s; 4 engine pods and a router replaced."
    )
    report.expect("no failed request", load.unary, load.unary.failed == 0)
    return report
