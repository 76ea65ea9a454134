"""What policies have learned for them: by the real operator, kept on the real API server."""

import base64
import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from queries import lines, scored
from world import API, OperatorProcess, World, backend, eventually, policy

from signalbox.plan.children.lessons import RECORD, lesson_name
from signalbox.plan.lessons import classifier_key
from signalbox.routing.chains import confidence
from signalbox.routing.classifiers.artefact import decode
from signalbox.routing.config import ByLogProbs, Cascade, RouterConfig, Trained
from signalbox.routing.config import decode as config_of

LONGEST = "x" * 52
KEPT = lesson_name("chat", classifier_key("chat", "hard"))


def examples(count: int = 200, seed: int = 1) -> Any:
    """In a ConfigMap."""
    data = {"past.jsonl": lines(scored(count, seed))}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "examples"}, "data": data}


def taught(trained: Any = None, **spec: Any) -> Any:
    """A policy that asks a classifier which target is to answer."""
    source = {"configMapKeyRef": {"name": "examples", "key": "past.jsonl"}}
    classifier = {"name": "hard", "labels": ["weak", "strong"], "default": "strong"}
    return policy(
        targets=[{"name": name, "backendRef": {"name": name}} for name in ("weak", "strong")],
        classifiers=[classifier | {"trained": trained or {"examplesFrom": [source]}}],
        routes=[{"name": "all", "select": {"best": {"by": "hard"}}}],
        **spec,
    )


def resources(trained: Any = None) -> list[Any]:
    return [backend("weak"), backend("strong"), taught(trained)]


def status(world: World) -> Any:
    """What the policy says of its classifier, once it says anything about its newest form."""
    obj = world.api.get(API, "RoutingPolicy", "chat", world.namespace)
    assert obj["status"]["observedGeneration"] == obj["metadata"]["generation"]
    (found,) = obj["status"]["classifiers"]
    return found


def ready(world: World, count: int = 200) -> Any:
    def found() -> Any:
        said = status(world)
        return said if (said["state"], said.get("examples")) == ("Ready", count) else None

    return eventually(found, 60)


def failed(world: World) -> str:
    """Why."""
    return str(eventually(lambda: (said := status(world))["state"] == "Failed" and said["message"], 60))


def kept(world: World) -> Any:
    return world.child("v1", "ConfigMap", KEPT)


def model(world: World) -> bytes:
    """What routers have."""
    config: RouterConfig = config_of(world.child("v1", "ConfigMap")["data"]["config.json"].encode())
    source = config.policies[0].classifiers[0].source
    assert isinstance(source, Trained)
    return source.model


def test_a_classifier_is_learned_once_and_kept(world: World, operator: OperatorProcess) -> None:
    named = taught(model="other")
    named["metadata"]["name"] = LONGEST
    world.apply(examples(), *resources(), named)
    said = ready(world)
    eventually(lambda: world.child("v1", "ConfigMap", lesson_name(LONGEST, classifier_key(LONGEST, "hard"))), 60)
    assert 0.5 < float(said["apgr"]["value"]) <= 1.0
    assert float(said["apgr"]["low"]) <= float(said["apgr"]["value"]) <= float(said["apgr"]["high"])
    assert said["thresholds"] and said["cpt50"]
    learned = base64.b64decode(kept(world)["binaryData"]["model"])
    assert decode(learned).labels == ("weak", "strong")
    eventually(lambda: model(world) == learned)
    eventually(lambda: "ClassifierReady" in world.told())
    assert world.conditions("RoutingPolicy", "chat")["ResolvedRefs"] == ("True", "ResolvedRefs")
    world.settle()
    before = world.versions()
    operator.kill()
    operator.start()
    eventually(lambda: operator.process.poll() is None)
    time.sleep(12.0)  # for a Lease to expire, and for whatever the next one does
    assert world.versions() == before


def test_other_examples_are_learned_and_bad_ones_keep_the_last(world: World, operator: OperatorProcess) -> None:
    world.apply(*resources())
    assert "ConfigMap examples" in failed(world)
    eventually(lambda: world.conditions("RoutingPolicy", "chat")["ResolvedRefs"][0] == "False")
    assert model(world) == b""
    world.apply(examples())
    ready(world)
    first = eventually(lambda: model(world))
    world.apply(examples(220, seed=5))
    ready(world, 220)
    second = eventually(lambda: (found := model(world)) != first and found)
    bad = examples()
    bad["data"]["past.jsonl"] += '{"prompt": "x", "scores": {"weak": 2, "strong": 1}}\n'
    world.apply(bad)
    why = failed(world)
    assert "ConfigMap examples, key past.jsonl line 201: scores.weak" in why
    assert "learned last goes on serving" in why
    eventually(lambda: world.conditions("RoutingPolicy", "chat")["ResolvedRefs"] == ("False", "LearningFailed"))
    eventually(lambda: "ClassifierFailed" in world.told())
    assert model(world) == second
    assert json.loads(kept(world)["metadata"]["annotations"][RECORD])["failed"]["message"]
    world.api.delete("v1", "ConfigMap", "examples", world.namespace)
    eventually(lambda: "cannot be read" in status(world)["message"])
    assert model(world) == second


def test_a_finished_model_is_used_as_it_is(world: World, operator: OperatorProcess) -> None:
    world.apply(examples(), *resources())
    ready(world)
    finished = base64.b64decode(kept(world)["binaryData"]["model"])
    store = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "models"}}
    store["binaryData"] = {"hard": base64.b64encode(finished).decode(), "bad": base64.b64encode(b"x").decode()}
    source = {"name": "models", "key": "hard"}
    world.apply(store, taught({"modelFrom": {"configMapKeyRef": source}}))
    eventually(lambda: "apgr" not in status(world) and status(world)["state"] == "Ready")
    assert (status(world)["examples"], model(world)) == (200, finished)
    world.apply(taught({"modelFrom": {"configMapKeyRef": source | {"key": "bad"}}}))
    assert "this is no classifier of Signalbox" in failed(world)
    assert model(world) == finished
    world.api.delete(API, "RoutingPolicy", "chat", world.namespace)
    eventually(lambda: world.absent("v1", "ConfigMap", KEPT), 60)


def test_what_was_learned_goes_with_its_classifier_and_is_put_back(world: World, operator: OperatorProcess) -> None:
    world.apply(examples(), *resources())
    ready(world)
    first = eventually(lambda: model(world))
    spoilt = {"binaryData": {"model": base64.b64encode(b"spoilt").decode()}}
    world.api.patch("v1", "ConfigMap", KEPT, spoilt, world.namespace)
    eventually(lambda: kept(world)["binaryData"]["model"] == base64.b64encode(first).decode(), 60)
    world.api.delete("v1", "ConfigMap", KEPT, world.namespace)
    eventually(lambda: kept(world)["binaryData"]["model"] == base64.b64encode(first).decode(), 60)
    plain = taught()
    del plain["spec"]["classifiers"]
    plain["spec"]["routes"] = [{"name": "all", "weighted": {"targets": [{"name": "weak"}]}}]
    world.apply(plain)
    eventually(lambda: world.absent("v1", "ConfigMap", KEPT))
    eventually(lambda: "classifiers" not in world.api.get(API, "RoutingPolicy", "chat", world.namespace)["status"])


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_no_training_outlives_its_operator_for_long(world: World, operator: OperatorProcess, end: int) -> None:
    world.apply(examples(4000), *resources())
    child = eventually(lambda: _children(operator.process.pid))[0]
    operator.process.send_signal(end)
    operator.process.wait(30)
    if end == signal.SIGTERM:
        assert not _alive(child)
    else:
        eventually(lambda: not _alive(child), 60)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def answered(count: int) -> str:
    """Lines with answers of the weak target: it is right where it is sure."""
    draw, made = random.Random(3), list[str]()
    for number in range(count):
        sure = draw.random()
        answer = {"text": "x" * 9, "logprobs": [sure - 1.0] * 4, "correct": draw.random() < sure}
        made.append(json.dumps({"prompt": f"query {number}", "answers": {"weak": answer}}))
    return "\n".join(made)


def test_a_step_learns_how_sure_its_target_is(world: World, operator: OperatorProcess) -> None:
    def store(count: int) -> Any:
        value = base64.b64encode(answered(count).encode()).decode()
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "answers"}, "data": {"lines": value}}

    def steps() -> list[tuple[str, str, int]]:
        found = world.api.get(API, "RoutingPolicy", "chat", world.namespace)["status"]["routes"]
        return [(each["name"], one["state"], one.get("examples", 0)) for each in found for one in each.get("steps", ())]

    def fitted() -> bytes:
        config: RouterConfig = config_of(world.child("v1", "ConfigMap")["data"]["config.json"].encode())
        strategy = config.policies[0].routes[0].strategy
        assert isinstance(strategy, Cascade)
        accept = strategy.steps[0].accept
        assert isinstance(accept, ByLogProbs)
        return accept.model

    source = {"secretKeyRef": {"name": "answers", "key": "lines"}}
    accept = {"logProbs": {"examplesFrom": [source]}, "minPercent": 60}
    cascade = {"cascade": {"steps": [{"target": "weak", "accept": accept}, {"target": "strong"}]}}
    given = policy(
        targets=[{"name": name, "backendRef": {"name": name}} for name in ("weak", "strong")],
        routes=[{"name": "sure", **cascade}],
    )
    world.apply(store(50), backend("weak", profile={"features": ["LogProbs"]}), backend("strong"), given)
    eventually(lambda: steps() == [("sure", "Uncalibrated", 0)], 60)
    assert world.conditions("RoutingPolicy", "chat")["ResolvedRefs"][0] == "True"
    world.apply(store(150))
    eventually(lambda: steps() == [("sure", "Calibrated", 150)], 60)
    eventually(lambda: confidence.decode(fitted()).examples == 150)
    eventually(lambda: "ConfidenceReady" in world.told())


def test_of_two_replicas_one_learns_and_the_other_finds_it(world: World, access: Path, namespace: str) -> None:
    first, second = OperatorProcess(access, namespace), OperatorProcess(access, namespace)
    try:
        world.apply(examples(), *resources())
        ready(world)
        eventually(lambda: model(world))
        world.settle()
        before = kept(world)["metadata"]["resourceVersion"]
        assert first.end() == 0
        first.start()
        assert second.end() == 0  # now one leads that has seen nothing of it
        world.apply(policy("other", model="other", targets=[{"name": "a", "backendRef": {"name": "weak"}}]))
        eventually(lambda: world.child("v1", "ConfigMap", "other-router"), 60)
        time.sleep(2.0)
        assert kept(world)["metadata"]["resourceVersion"] == before
    finally:
        for each in (first, second):
            each.kill()
