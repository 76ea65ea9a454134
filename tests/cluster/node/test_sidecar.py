"""A router beside its client, in the client's pod: found over localhost, changed without a restart."""

import json
from typing import Any

import pytest
import yaml

from cluster.kubectl import kubectl
from cluster.node import installation
from cluster.running import Cluster
from cluster.waiting import eventually

pytestmark = pytest.mark.node
SECONDS = 120
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "seccompProfile": {"type": "RuntimeDefault"},
}
# As a client would: by the variable that the official clients read, too.
ASK = """
import json, os, urllib.request
body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "hello"}]}).encode()
url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
request = urllib.request.Request(url, body, {"content-type": "application/json"})
answer = urllib.request.urlopen(request, timeout=20)
print(json.dumps({"route": answer.headers["x-signalbox-route"], "answer": json.load(answer)}))
"""


def policy(route: str) -> dict[str, Any]:
    spec = {
        "models": ["auto"],
        "access": {"anonymous": {}},
        "targets": [{"name": "engine", "backendRef": {"name": "engine"}}],
        "routes": [{"name": route, "weighted": {"targets": [{"name": "engine"}]}}],
        "router": {"sidecar": {}},
    }
    api = "signalbox.dev/v1alpha1"
    return {"apiVersion": api, "kind": "RoutingPolicy", "metadata": {"name": "side"}, "spec": spec}


def app() -> dict[str, Any]:
    container = {
        "name": "app",
        "image": "localhost/base:1",
        "command": ["sleep", "3600"],
        "securityContext": RESTRICTED,
    }
    metadata = {"name": "app", "labels": {"signalbox.dev/inject": "side"}}
    spec = {"terminationGracePeriodSeconds": 1, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def ask(cluster: Cluster, namespace: str) -> dict[str, Any]:
    """What the client in the pod is answered."""
    found = kubectl(cluster, "exec", "-n", namespace, "app", "-c", "app", "--", "python3", "-c", ASK)
    answer: dict[str, Any] = json.loads(found.stdout)
    return answer


def answered(cluster: Cluster, namespace: str, route: str) -> bool:
    try:
        return bool(ask(cluster, namespace)["route"] == route)
    except AssertionError:  # nothing listens yet
        return False


def test_a_client_is_answered_over_localhost(cluster: Cluster, installed: str, restricted: str) -> None:
    engine = [obj for obj in yaml.safe_load_all(installation.FIRST.read_text()) if obj["kind"] != "RoutingPolicy"]
    for obj in [*engine, policy("before")]:
        cluster.api.apply(obj, restricted)
    installation.wait_ready(cluster, restricted, "side")

    def injected() -> bool:
        """Until the API server trusts the webhook, pods are made without a router: its failure policy is Ignore."""
        cluster.api.apply(app(), restricted)
        if "initContainers" in cluster.api.get("v1", "Pod", "app", restricted)["spec"]:
            return True
        kubectl(cluster, "delete", "pod", "app", "-n", restricted, "--now")
        return False

    assert eventually(injected, SECONDS)
    kubectl(cluster, "wait", "--for=condition=Ready", "-n", restricted, "pod/app", f"--timeout={SECONDS}s")
    assert eventually(lambda: answered(cluster, restricted, "before"), SECONDS)
    assert ask(cluster, restricted)["answer"]["choices"][0]["message"]["content"]
    uid = cluster.api.get("v1", "Pod", "app", restricted)["metadata"]["uid"]

    cluster.api.apply(policy("after"), restricted)
    assert eventually(lambda: answered(cluster, restricted, "after"), SECONDS)
    pod = cluster.api.get("v1", "Pod", "app", restricted)
    statuses = [*pod["status"]["initContainerStatuses"], *pod["status"]["containerStatuses"]]
    assert (pod["metadata"]["uid"], [each["restartCount"] for each in statuses]) == (uid, [0, 0])
    status = cluster.api.get("signalbox.dev/v1alpha1", "RoutingPolicy", "side", restricted)["status"]
    assert status["router"]["replicas"] == 1
