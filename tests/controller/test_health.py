"""Every situation that a status can describe, made for real, and kept as test data for the tools that judge by it.

``pytest tests/controller/test_health.py --regenerate`` writes manifests/gitops/resource_customizations anew.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from connected import LeaderService, Routers, StreamingOperator
from world import API, World, backend, eventually, policy

from cluster.api import Object
from manifests.gitops.verdicts import SAME, SCRIPTS, argo, kstatus

NORMAL = {"Accepted": "T", "ResolvedRefs": "T", "Programmed": "T", "Ready": "T"}
SECRET = {"apiKey": {"secretRef": {"name": "key", "key": "token"}}}
BOTH = [{"name": name, "backendRef": {"name": name}} for name in ("a", "b")]
UNREACHABLE_SECONDS = 60.0


class Judge:
    """Waits for a situation, and compares what the API server holds with the test data."""

    def __init__(self, world: World, *, regenerate: bool) -> None:
        self._world, self._regenerate = world, regenerate

    def holds(self, kind: str, obj: str, row: str, conditions: dict[str, str], health: str) -> None:
        """``conditions`` are all those that matter, by their first letters; "-" is one that must not be there."""

        def reached() -> Object | None:
            live = self._world.api.get(API, kind, obj, self._world.namespace)
            status = live.get("status", {})
            known = {each["type"]: each["status"][0] for each in status.get("conditions", ())}
            same_generation = status.get("observedGeneration") == live["metadata"]["generation"]
            matches = all(known.get(name, "-") == value for name, value in conditions.items())
            assert same_generation and matches, known
            return live

        eventually(reached)
        self.is_judged(kind, obj, row, health)

    def is_judged(self, kind: str, obj: str, row: str, health: str) -> None:
        """As it is now, whatever its status is about."""
        live = timeless(self._world.api.get(API, kind, obj, self._world.namespace), self._world.namespace)
        self._compare(Path(kind) / "testdata" / f"{row}.yaml", live, health)

    def _compare(self, name: Path, obj: Object, health: str) -> None:
        status, message = argo(obj)
        assert status == health
        assert kstatus(obj) == SAME[status]
        file, tests = SCRIPTS / name, SCRIPTS / name.parts[0] / "health_test.yaml"
        entry = {"healthStatus": {"status": status, "message": message}, "inputPath": f"testdata/{name.name}"}
        if self._regenerate:
            file.parent.mkdir(exist_ok=True)
            file.write_text(yaml.safe_dump(obj, sort_keys=False, width=120))
            known = yaml.safe_load(tests.read_text())["tests"] if tests.exists() else []
            others = [each for each in known if each["inputPath"] != entry["inputPath"]]
            listed = sorted([*others, entry], key=lambda each: str(each["inputPath"]))
            tests.write_text(yaml.safe_dump({"tests": listed}, sort_keys=False, width=120))
        assert yaml.safe_load(file.read_text()) == obj
        assert entry in yaml.safe_load(tests.read_text())["tests"]


def timeless(obj: Object, namespace: str) -> Object:
    """Without what differs from run to run."""
    kept = {key: obj["metadata"][key] for key in ("name", "namespace", "generation")}
    text = json.dumps(
        {
            **{key: obj[key] for key in ("apiVersion", "kind")},
            "metadata": kept,
            "spec": obj["spec"],
            "status": obj["status"],
        }
    )
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "2026-01-01T00:00:00Z", text)
    text = re.sub(r'("(?:configHash|hash)": ")[0-9a-f]+"', r'\g<1>0123456789abcdef"', text)
    found: Any = json.loads(text.replace(namespace, "default"))
    found["status"].get("router", {}).pop("configsInForce", None)  # which routers have heard of it by now
    for name in ("load", "routes"):  # what was seen by now
        found["status"].pop(name, None)
    return found


@pytest.fixture
def judge(world: World, request: pytest.FixtureRequest) -> Judge:
    return Judge(world, regenerate=request.config.getoption("--regenerate", default=False))


def test_what_no_operator_has_seen(world: World, judge: Judge) -> None:
    """Who waits for it must not take it for ready: the API server gives it a status that says so."""
    world.apply(backend(), policy())
    for kind, name in (("ModelBackend", "a"), ("RoutingPolicy", "chat")):
        assert world.api.get(API, kind, name, world.namespace)["status"] == {"observedGeneration": -1}
        judge.is_judged(kind, name, "unseen", "Progressing")


def test_a_policy_from_nothing_to_ready_and_wrong(world: World, judge: Judge, streaming: StreamingOperator) -> None:
    world.apply(policy())
    missing = {
        "Accepted": "T",
        "ResolvedRefs": "F",
        "Programmed": "F",
        "Ready": "F",
        "Reconciling": "T",
        "Stalled": "-",
    }
    judge.holds("RoutingPolicy", "chat", "no-target", missing, "Progressing")
    world.apply(backend())
    rolling = {**NORMAL, "Programmed": "F", "Ready": "F", "Reconciling": "T", "Stalled": "-"}
    eventually(lambda: world.child("policy/v1", "PodDisruptionBudget"))
    eventually(lambda: world.child("apps/v1", "Deployment")["status"].get("replicas") == 2)
    judge.holds("RoutingPolicy", "chat", "rollout", rolling, "Progressing")
    judge.holds("ModelBackend", "a", "ready", {"Accepted": "T", "ResolvedRefs": "T", "Ready": "T"}, "Healthy")
    world.become_available()
    normal = {**NORMAL, "Reconciling": "-", "Stalled": "-"}
    judge.holds("RoutingPolicy", "chat", "ready", normal, "Healthy")
    world.apply(policy(targets=BOTH))
    judge.holds("RoutingPolicy", "chat", "some-refs-missing", {**normal, "ResolvedRefs": "F"}, "Healthy")
    world.apply(policy(when="query.char > 1"))
    invalid = {
        "Accepted": "F",
        "ResolvedRefs": "-",
        "Programmed": "T",
        "Ready": "F",
        "Reconciling": "-",
        "Stalled": "T",
    }
    judge.holds("RoutingPolicy", "chat", "invalid", invalid, "Degraded")
    streaming.end()
    world.apply(policy(), backend(model="another"))
    for kind, name in (("RoutingPolicy", "chat"), ("ModelBackend", "a")):
        judge.is_judged(kind, name, "edited", "Progressing")


@pytest.mark.usefixtures("streaming")
def test_a_backend_that_cannot_serve(world: World, judge: Judge) -> None:
    plain = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}
    world.apply(backend("keyless", auth=SECRET), backend("lost", serviceRef={"name": "nowhere", "port": 80}))
    world.apply(plain, backend("empty", serviceRef={"name": "s", "port": 80}))
    missing = {"Accepted": "T", "ResolvedRefs": "F", "Ready": "F"}
    judge.holds("ModelBackend", "keyless", "secret-missing", missing, "Progressing")
    judge.holds("ModelBackend", "lost", "service-missing", missing, "Progressing")
    none = {"Accepted": "T", "ResolvedRefs": "T", "Ready": "F"}
    judge.holds("ModelBackend", "empty", "no-endpoint", none, "Progressing")
    world.apply(backend("wrong", url="https://[1]/v1"))
    invalid = {"Accepted": "F", "ResolvedRefs": "-", "Ready": "F", "Stalled": "T"}
    judge.holds("ModelBackend", "wrong", "invalid", invalid, "Degraded")


@pytest.mark.usefixtures("streaming")
def test_targets_that_nobody_reaches(world: World, judge: Judge, service: LeaderService, tmp_path: Path) -> None:
    health = {"http": {"path": "/health"}, "interval": "1s", "unhealthyThreshold": 1}
    world.apply(backend(url="http://unreachable.invalid/v1", health=health), policy())
    eventually(lambda: world.child("policy/v1", "PodDisruptionBudget"))
    routers = Routers(world, service, tmp_path)
    try:
        routers.connected()
        world.become_available()
        eventually(lambda: unreachable(world), UNREACHABLE_SECONDS)
        normal = {**NORMAL, "Reachable": "F", "Reconciling": "-", "Stalled": "-"}
        judge.holds("RoutingPolicy", "chat", "unreachable", normal, "Healthy")
        reached = {"Accepted": "T", "ResolvedRefs": "T", "Ready": "T", "Reachable": "F"}
        judge.holds("ModelBackend", "a", "unreachable", reached, "Healthy")
    finally:
        routers.kill()


@pytest.mark.usefixtures("streaming")
def test_signals_that_are_stale(world: World, judge: Judge) -> None:
    """Nobody answers where the metrics are said to be; requests go on."""
    feedback = {"interval": "1s", "staleAfter": "2s"}
    world.apply(backend(url="http://unreachable.invalid/v1", signals={"engine": "VLLM"}), policy(feedback=feedback))
    eventually(lambda: world.child("policy/v1", "PodDisruptionBudget"))
    world.become_available()
    normal = {**NORMAL, "SignalsFresh": "F", "Reconciling": "-", "Stalled": "-"}
    judge.holds("RoutingPolicy", "chat", "stale-signals", normal, "Healthy")
    stale = {"Accepted": "T", "ResolvedRefs": "T", "Ready": "T", "SignalsFresh": "F"}
    judge.holds("ModelBackend", "a", "stale-signals", stale, "Healthy")


def unreachable(world: World) -> bool:
    kinds = (("RoutingPolicy", "chat"), ("ModelBackend", "a"))
    return all(world.conditions(kind, name)["Reachable"][0] == "False" for kind, name in kinds)
