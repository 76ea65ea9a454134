"""A client in a pod with a router beside it: it asks over localhost, and says each second what came of it."""

import json
from typing import Any

from benchmarks.cluster.load import Counts
from benchmarks.cluster.stand import API, Object, Stand, resources, seconds_until

NAME = "beside"
CLIENT = """
import json, os, threading, time, urllib.request
url, rate = os.environ["OPENAI_BASE_URL"] + "/chat/completions", float(os.environ["RATE"])
body = json.dumps({"model": "beside", "max_tokens": 4, "messages": [{"role": "user", "content": "hello"}]}).encode()
ok, failed, lock = 0, [], threading.Lock()

def ask():
    global ok
    why = ""
    try:
        request = urllib.request.Request(url, body, {"content-type": "application/json"})
        json.load(urllib.request.urlopen(request, timeout=60))["choices"]
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
    with lock:
        ok += not why
        failed.extend([why] if why else [])

due = time.monotonic()
while True:
    threading.Thread(target=ask).start()
    due += 1 / rate
    time.sleep(max(0.0, due - time.monotonic()))
    print(json.dumps({"ok": ok, "failed": len(failed), "samples": failed[:5]}), flush=True)
"""
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "seccompProfile": {"type": "RuntimeDefault"},
}


class Beside:
    """Applied when it is made; it asks as soon as its pod is ready, the same backends as everybody."""

    def __init__(self, stand: Stand, rate: float) -> None:
        self._stand = stand
        stand.apply(policy(stand))
        stand.kubectl("wait", "--for=condition=Ready", f"routingpolicy/{NAME}", "--timeout=120s")
        stand.apply(pod(rate))
        stand.kubectl("wait", "--for=condition=Ready", f"pod/{NAME}", "--timeout=120s")
        seconds_until(lambda: self.counts().ok)
        assert "initContainers" in self._pod()["spec"], "the pod has no router"

    def counts(self) -> Counts:
        """Up to now."""
        last: dict[str, Any] = json.loads(self._stand.kubectl("logs", NAME, "-c", "client", "--tail=1"))
        return Counts(last["ok"], last["failed"], last["samples"])

    def restarts(self) -> int:
        """Of all its containers."""
        status = self._pod()["status"]
        return sum(each["restartCount"] for each in [*status["initContainerStatuses"], *status["containerStatuses"]])

    def end(self) -> None:
        """Take both away."""
        self._stand.kubectl("delete", "--now", f"pod/{NAME}", f"routingpolicy/{NAME}")

    def _pod(self) -> Any:
        return self._stand.api.get("v1", "Pod", NAME, self._stand.namespace)


def policy(stand: Stand) -> Object:
    """That of the others, as a sidecar."""
    found = stand.policy(models=[NAME], router={"sidecar": {}}, access={"anonymous": {}})
    return found | {"apiVersion": API, "metadata": {"name": NAME}}


def pod(rate: float) -> Object:
    """The client, which waits for its router by being started after it."""
    engine = next(obj for obj in resources() if obj["kind"] == "Deployment")
    container = {
        "name": "client",
        "image": engine["spec"]["template"]["spec"]["containers"][0]["image"],
        "command": ["python3", "-c", CLIENT],
        "env": [{"name": "RATE", "value": str(rate)}],
        "securityContext": RESTRICTED,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": NAME, "labels": {"signalbox.dev/inject": NAME}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
    }
