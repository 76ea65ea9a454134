"""The credential of the engines rotated under load: the old one, both, then only the new one."""

import base64
import time

from benchmarks.cluster.beside import Beside
from benchmarks.cluster.load import Load
from benchmarks.cluster.stand import Stand, as_json, resources
from benchmarks.harness.bench import Settings
from benchmarks.harness.report import Report

RATE = 20.0
# A kubelet brings a changed Secret into a pod within its sync period and cache.
MOUNT_SECONDS = 100.0
NEW, OLD = "new-key-of-the-engine", "old-key-of-the-engine"


def run(stand: Stand, settings: Settings) -> Report:
    """No request may fail, of clients of the Service nor of one with a sidecar, and no router may restart."""
    beside = Beside(stand, RATE)
    before = {pod["metadata"]["uid"] for pod in stand.routers()}
    with Load(stand.url(), rate=RATE) as load:
        time.sleep(3)
        data = {"token": base64.b64encode(NEW.encode()).decode()}
        stand.kubectl("patch", "secret", "engine", "--patch", as_json({"data": data}))
        settings.tell(f"rotated; waiting {MOUNT_SECONDS:.0f} s for the mounts")
        time.sleep(MOUNT_SECONDS)
        for engines in only_new():
            stand.apply(engines)
        for name in ("a", "b"):
            stand.rolled_out(name)
        time.sleep(10)
    after = {pod["metadata"]["uid"] for pod in stand.routers()}
    report = Report("rotation", f"{RATE:g} requests/s; Secret changed, then engines that know only the new key.")
    report.expect("no failed request", load.unary, load.unary.failed == 0)
    asked, restarts = beside.counts(), beside.restarts()
    beside.end()
    report.expect("no failed request of a client with a sidecar", asked, asked.failed == 0)
    report.expect("none of its containers started again", restarts, restarts == 0)
    report.expect("no router pod was replaced", f"{len(before - after)} of {len(before)}", before == after)
    return report


def only_new() -> list[dict[str, object]]:
    """The engines without the old key."""
    found = [obj for obj in resources() if obj["kind"] == "Deployment"]
    for obj in found:
        arguments = obj["spec"]["template"]["spec"]["containers"][0]["args"]
        place = arguments.index(OLD)
        del arguments[place - 1 : place + 1]
    return found
