"""What happens to policies, as anybody sees it who watches; and a stand-in for the controllers of Deployments."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from cluster.api import MERGE, Api, Object

API = "signalbox.dev/v1alpha1"
SELECTOR = "app.kubernetes.io/managed-by=signalbox"

ROLLED_OUT = {
    "type": "Progressing",
    "status": "True",
    "reason": "NewReplicaSetAvailable",
    "message": "as the controller of Deployments says it",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
    "lastUpdateTime": "2026-01-01T00:00:00Z",
}


def events(api: Api, path: str, ended: threading.Event, **query: str) -> Iterator[Object]:
    """The objects of a kind as they are and become."""
    version = ""
    while not ended.is_set():
        parameters = {"watch": "1", "resourceVersion": version, **query}
        try:
            with api.http.stream("GET", path, params=parameters, timeout=httpx.Timeout(10, read=30)) as stream:
                for line in stream.iter_lines():
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        version = ""
                        break
                    version = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] != "DELETED":
                        yield event["object"]
        except httpx.HTTPError:
            continue


class Milestones:
    """When each policy reached each milestone first."""

    NAMES = ("accepted", "programmed", "ready")

    def __init__(self, api: Api) -> None:
        self._api = api
        self._ended = threading.Event()
        self.at: dict[str, dict[str, float]] = {name: {} for name in self.NAMES}
        self.generations: dict[str, int] = {}
        _start(self._watch)

    def end(self) -> None:
        self._ended.set()

    def reached(self, name: str) -> int:
        return len(self.at[name])

    def last(self, name: str) -> float:
        return max(self.at[name].values(), default=0.0)

    def _watch(self) -> None:
        for obj in events(self._api, f"/apis/{API}/routingpolicies", self._ended):
            now = time.monotonic()
            key = f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"
            status = obj.get("status") or {}
            self.generations[key] = status.get("observedGeneration", 0)
            found = {each["type"]: each for each in status.get("conditions") or ()}
            programmed = found.get("Programmed", {})
            reached = {
                "accepted": found.get("Accepted", {}).get("status") == "True",
                "programmed": programmed.get("status") == "True" or programmed.get("reason") == "Rollout",
                "ready": found.get("Ready", {}).get("status") == "True",
            }
            for name, there in reached.items():
                if there:
                    self.at[name].setdefault(key, now)


class Rollouts:
    """Makes the pods of every Deployment ready at once, as far as its status says."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._ended = threading.Event()
        self._pool = ThreadPoolExecutor(4)
        _start(self._watch)

    def end(self) -> None:
        self._ended.set()
        self._pool.shutdown(cancel_futures=True)

    def _watch(self) -> None:
        for obj in events(self._api, "/apis/apps/v1/deployments", self._ended, labelSelector=SELECTOR):
            wanted = obj["spec"].get("replicas", 1)
            status: dict[str, Any] = {
                "observedGeneration": obj["metadata"]["generation"],
                **dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), wanted),
                "conditions": [ROLLED_OUT],
            }
            if any((obj.get("status") or {}).get(key) != value for key, value in status.items()):
                metadata = obj["metadata"]
                path = f"/apis/apps/v1/namespaces/{metadata['namespace']}/deployments/{metadata['name']}/status"
                self._pool.submit(self._api.call, "PATCH", path, {"status": status}, MERGE)


def _start(work: Callable[[], None]) -> None:
    threading.Thread(target=work, daemon=True).start()
