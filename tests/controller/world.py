"""An operator in a process of its own, and one namespace as its user sees it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from cluster.api import Object
from cluster.running import Cluster
from signalbox.plan.rollouts import rolled_out

SECONDS = 60.0
QUIET_SECONDS = 1.0
API = "signalbox.dev/v1alpha1"
CHILDREN = (
    ("v1", "ServiceAccount"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "Service"),
    ("apps/v1", "Deployment"),
    ("policy/v1", "PodDisruptionBudget"),
)


class OperatorProcess:
    """Started for one namespace, with the kubeconfig of whom it is to be."""

    program: Sequence[str] = ("-m", "signalbox.cli")
    log: IO[bytes] | None = None
    """Where it logs, if not where the tests do."""

    def __init__(self, access: Path, namespace: str, *options: str) -> None:
        self._access, self._namespace, self._options = access, namespace, options
        self.start()

    def start(self, image: str = "signalbox:test") -> None:
        command = [sys.executable, *self.program, "operator", "--image", image, "-v"]
        self.process = subprocess.Popen(
            [*command, "--namespace", self._namespace, "--lease-namespace", self._namespace, *self._options],
            env={**os.environ, "KUBECONFIG": str(self._access), "POD_IP": "10.11.12.13"},
            stderr=self.log,
        )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> int:
        self.process.terminate()
        return self.process.wait(SECONDS)


def eventually(question: Callable[[], Any], seconds: float = SECONDS) -> Any:
    """The first true answer; until then an answer may be an error."""
    deadline = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < deadline:
        try:
            if answer := question():
                return answer
            last = answer
        except Exception as error:
            last = error
        time.sleep(0.05)
    raise AssertionError(f"it never came: {last!r}")


def backend(name: str = "a", **spec: Any) -> Object:
    """A ModelBackend, at a URL unless it has a serviceRef."""
    where = {} if "serviceRef" in spec else {"url": "https://api.example.com/v1"}
    return {
        "apiVersion": API,
        "kind": "ModelBackend",
        "metadata": {"name": name},
        "spec": {"model": "m", **where, **spec},
    }


def policy(name: str = "chat", model: str = "auto", when: str = "query.chars > 1", **spec: Any) -> Object:
    """A RoutingPolicy with one target, the backend a."""
    return {
        "apiVersion": API,
        "kind": "RoutingPolicy",
        "metadata": {"name": name},
        "spec": {
            "models": [model],
            "access": {"anonymous": {}},
            "targets": [{"name": "a", "backendRef": {"name": "a"}}],
            "routes": [
                {"name": "some", "when": when, "weighted": {"targets": [{"name": "a"}]}},
                {"name": "all", "weighted": {"targets": [{"name": "a"}]}},
            ],
            **spec,
        },
    }


class World:
    """One namespace, seen and changed as a user would."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster, self.api, self.namespace = cluster, cluster.api, namespace

    def apply(self, *objects: Object) -> None:
        for obj in objects:
            self.api.apply(obj, self.namespace)

    def conditions(self, kind: str, name: str) -> dict[str, tuple[str, str]]:
        """Status and reason by type, of the newest generation."""
        obj = self.api.get(API, kind, name, self.namespace)
        if obj.get("status", {}).get("observedGeneration") != obj["metadata"]["generation"]:
            return {}
        return {each["type"]: (each["status"], each["reason"]) for each in obj["status"]["conditions"]}

    def statuses(self, name: str = "chat") -> dict[str, str]:
        return {kind: status for kind, (status, _) in self.conditions("RoutingPolicy", name).items()}

    def child(self, version: str, kind: str, name: str = "chat-router") -> Object:
        return self.api.get(version, kind, name, self.namespace)

    def config(self, name: str = "chat-router") -> Any:
        """The configuration that routers get."""
        return json.loads(self.child("v1", "ConfigMap", name)["data"]["config.json"])

    def absent(self, version: str, kind: str, name: str = "chat-router") -> bool:
        return name not in {obj["metadata"]["name"] for obj in self.api.list(version, kind, self.namespace)}

    def versions(self) -> dict[tuple[str, str], str]:
        """The resource version of every object that the operator may write."""
        kinds = (*CHILDREN, (API, "RoutingPolicy"), (API, "ModelBackend"))
        return {
            (kind, obj["metadata"]["name"]): obj["metadata"]["resourceVersion"]
            for version, kind in kinds
            for obj in self.api.list(version, kind, self.namespace)
        }

    def told(self) -> set[str]:
        """The reasons of all Events."""
        return {each["reason"] for each in self.api.list("events.k8s.io/v1", "Event", self.namespace)}

    def settle(self) -> None:
        """Wait until nothing has been written for a while."""
        seen = self.versions()
        since = time.monotonic()
        while time.monotonic() - since < QUIET_SECONDS:
            time.sleep(0.1)
            now = self.versions()
            if now != seen:
                seen, since = now, time.monotonic()

    def become_available(self, name: str = "chat-router") -> None:
        """Stand in for the kubelet, which this tier has not: all pods of a router serve."""

        def done() -> bool:
            for pod in self.api.list("v1", "Pod", self.namespace, labelSelector=f"app.kubernetes.io/instance={name}"):
                ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
                path = f"/api/v1/namespaces/{self.namespace}/pods/{pod['metadata']['name']}/status"
                status = {"phase": "Running", "conditions": [ready]}
                self.api.call("PATCH", path, {"status": status}, "application/merge-patch+json")
            live = self.child("apps/v1", "Deployment", name)
            return rolled_out(live) and live["status"].get("availableReplicas", 0) == live["spec"]["replicas"]

        eventually(done)
