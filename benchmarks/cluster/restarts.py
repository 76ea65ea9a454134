"""Routers and operator restarted under long streams, and a scale that an edit must not undo."""

import time

from benchmarks.cluster.load import Load
from benchmarks.cluster.stand import OPERATOR, Stand, seconds_until
from benchmarks.harness.bench import Settings
from benchmarks.harness.report import Report, Spread, Table

STREAMS = 200
RAMP_SECONDS = 5.0
SCALED = 5


def run(stand: Stand, settings: Settings) -> Report:
    """No stream may break."""
    streams = round(settings.choose(STREAMS, 40))
    operator = stand.kubectl("get", "deployment", "-o", "name", namespace=OPERATOR).split()[0]
    report = Report("restarts", f"{streams} streams while a Deployment is restarted with `kubectl rollout restart`.")
    rows = []
    for what, name, namespace in (("router", "deployment/chat-router", None), ("operator", operator, OPERATOR)):
        settings.tell(f"restarting the {what} under {streams} streams")
        with Load(stand.url(), rate=5, streams=streams, ramp=RAMP_SECONDS) as load:
            time.sleep(RAMP_SECONDS + 3)
            stand.kubectl("rollout", "restart", name, namespace=namespace)
            stand.rolled_out(name.partition("/")[2], namespace)
            load.wait_for_streams()
        lasted = Spread.of(load.streams.seconds or [0.0])
        rows.append((what, load.streams.ok, load.streams.failed, lasted, load.unary.ok, load.unary.failed))
        broken, failed = load.streams, load.unary
        report.expect(f"{what}: no stream breaks", broken, broken.failed == 0)
        report.expect(f"{what}: no request fails", failed, failed.failed == 0)
    columns = ("restarted", "streams ok", "broken", "lasted s", "requests ok", "failed")
    report.tables.append(Table("under load", columns, rows))
    replicas = scaled(stand)
    report.expect(f"scaled to {SCALED}, then an unrelated edit: still {SCALED}", replicas, replicas == SCALED)
    return report


def scaled(stand: Stand) -> int:
    """The number of replicas after ``kubectl scale`` and an edit that has come into force."""
    stand.kubectl("scale", "deployment/chat-router", f"--replicas={SCALED}")
    stand.rolled_out("chat-router")
    before = stand.api.get("v1", "ConfigMap", "chat-router", stand.namespace)["data"]["config.json"]
    stand.apply(stand.policy(debug="Allowed"))
    seconds_until(
        lambda: stand.api.get("v1", "ConfigMap", "chat-router", stand.namespace)["data"]["config.json"] != before
    )
    time.sleep(3)
    found = int(stand.api.get("apps/v1", "Deployment", "chat-router", stand.namespace)["spec"]["replicas"])
    stand.kubectl("scale", "deployment/chat-router", "--replicas=2")
    stand.rolled_out("chat-router")
    return found
