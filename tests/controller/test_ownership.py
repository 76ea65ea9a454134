"""What is ours comes back, what is another's stays: on a real API server, one operator for all cases."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from world import API, CHILDREN, OperatorProcess, World, backend, eventually, policy

from cluster import rights
from cluster.api import Object
from cluster.namespaces import create_namespace, delete_namespace
from cluster.running import Cluster
from signalbox.plan.children import labels_of

DEPLOYMENT = ("apps/v1", "Deployment")
KINDS = [pytest.param(*child, id=child[1]) for child in CHILDREN]
# On a machine that does nothing else it is a tenth of this; a failure to come back at all takes much longer.
SOON_SECONDS = 15.0
# A new controller manager looks for new kinds, of which a collector of garbage must know, every 30 s.
COLLECTED_SECONDS = 90.0


@pytest.fixture(scope="module")
def world(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One namespace with an operator and a router that serves, for all tests of this module."""
    namespace = create_namespace(cluster)
    access = rights.give(cluster, namespace, tmp_path_factory.mktemp("access"))
    operator = OperatorProcess(access, namespace)
    world = World(cluster, namespace)
    world.apply(backend(), policy())
    eventually(lambda: world.child("policy/v1", "PodDisruptionBudget"))
    world.become_available()
    eventually(lambda: world.statuses().get("Ready") == "True")
    yield world
    operator.kill()
    rights.take(cluster, namespace)
    delete_namespace(cluster, namespace)


def raw(world: World, version: str, kind: str, name: str) -> str:
    """Byte for byte, as the API server has it."""
    return world.api.http.get(world.api.path(version, kind, world.namespace, name)).raise_for_status().text


def foreign(version: str, kind: str, name: str, labels: dict[str, str]) -> Object:
    """An object with a child's name that somebody else has made; as long as there is no pod, nobody writes its status
    but once."""
    chosen = {"app": name}
    pod = {"metadata": {"labels": chosen}, "spec": {"containers": [{"name": "c", "image": "none"}]}}
    rest: dict[str, Any] = {
        "ConfigMap": {"data": {"theirs": "1"}},
        "Secret": {"stringData": {"theirs": "1"}},
        "Service": {"spec": {"clusterIP": "None", "selector": chosen}},
        "Deployment": {"spec": {"replicas": 0, "selector": {"matchLabels": chosen}, "template": pod}},
        "PodDisruptionBudget": {"spec": {"maxUnavailable": 1, "selector": {"matchLabels": chosen}}},
    }.get(kind, {})
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": labels}, **rest}


def message(world: World, name: str, kind: str) -> str:
    conditions = world.api.get(API, "RoutingPolicy", name, world.namespace)["status"]["conditions"]
    return next(str(each["message"]) for each in conditions if each["type"] == kind)


@pytest.mark.parametrize(("version", "kind"), KINDS)
@pytest.mark.parametrize("copied", [False, True], ids=["plain", "with our labels"])
def test_a_foreign_object_survives_byte_for_byte(world: World, version: str, kind: str, copied: bool) -> None:
    name = f"{kind.lower()}-{'copied' if copied else 'plain'}"
    router = f"{name}-router"
    world.apply(foreign(version, kind, router, labels_of(router) if copied else {}))
    if kind in {"Deployment", "PodDisruptionBudget"}:  # their own controllers write once that they have seen it
        eventually(lambda: world.child(version, kind, router)["status"].get("observedGeneration") == 1)
    before = raw(world, version, kind, router)
    world.apply(policy(name, model=name))
    eventually(lambda: world.conditions("RoutingPolicy", name).get("Programmed") == ("False", "NameConflict"))
    assert message(world, name, "Programmed") == f"{kind} {router} exists and is not Signalbox's: delete or rename it"
    assert world.statuses(name) == {
        "Accepted": "True",
        "ResolvedRefs": "True",
        "Programmed": "False",
        "Ready": "False",
        "Stalled": "True",
    }
    world.apply(policy(name, model=f"{name}-2"))
    eventually(lambda: world.conditions("RoutingPolicy", name).get("Programmed") == ("False", "NameConflict"))
    assert raw(world, version, kind, router) == before
    uid = world.api.get(API, "RoutingPolicy", name, world.namespace)["metadata"]["uid"]
    world.api.delete(API, "RoutingPolicy", name, world.namespace)
    for each in CHILDREN:
        eventually(lambda each=each: uid not in owners(world, *each), COLLECTED_SECONDS)  # what was ours is gone
    assert raw(world, version, kind, router) == before


def owners(world: World, version: str, kind: str) -> set[str]:
    return {
        owner["uid"]
        for obj in world.api.list(version, kind, world.namespace)
        for owner in obj["metadata"].get("ownerReferences") or ()
    }


def test_when_a_foreign_object_goes_the_policy_recovers(world: World) -> None:
    """All kinds at once: the operator looks again now and then, as it does not watch what is not its own."""
    names = {kind: f"freed-{kind.lower()}" for _, kind in CHILDREN}
    for version, kind in CHILDREN:
        world.apply(foreign(version, kind, f"{names[kind]}-router", {}), policy(names[kind], model=names[kind]))
    for name in names.values():
        eventually(lambda name=name: world.conditions("RoutingPolicy", name)["Programmed"] == ("False", "NameConflict"))
    for version, kind in CHILDREN:
        world.api.delete(version, kind, f"{names[kind]}-router", world.namespace)
    for name in names.values():
        eventually(lambda name=name: world.conditions("RoutingPolicy", name)["Programmed"] == ("False", "Rollout"))
        assert "Stalled" not in world.statuses(name)
        world.api.delete(API, "RoutingPolicy", name, world.namespace)


EDITS: dict[str, Callable[[Object], Object]] = {
    "ServiceAccount": lambda _: {"automountServiceAccountToken": True},
    "ConfigMap": lambda _: {"data": {"config.json": "{}", "more": "x"}},
    "Secret": lambda _: {"data": {"more": "eA=="}},
    "Service": lambda live: {"spec": {"ports": [{**live["spec"]["ports"][0], "port": 81}]}},
    "Deployment": lambda _: {"spec": {"template": {"spec": {"serviceAccountName": "default"}}}},
    "PodDisruptionBudget": lambda _: {"spec": {"maxUnavailable": 2}},
}


def meaning(live: Object) -> Object:
    """What it says, without what every write changes."""
    passing = {"resourceVersion", "generation", "managedFields", "creationTimestamp", "uid"}
    metadata = {key: value for key, value in live["metadata"].items() if key not in passing}
    metadata["annotations"] = {
        key: value
        for key, value in (metadata.get("annotations") or {}).items()
        if key != "deployment.kubernetes.io/revision"
    }
    kept = {key: value for key, value in live.items() if key not in {"metadata", "status"}}
    if "clusterIP" in kept.get("spec", {}):
        kept["spec"] = {key: value for key, value in kept["spec"].items() if key not in {"clusterIP", "clusterIPs"}}
    return {**kept, "metadata": metadata}


def comes_back(world: World, version: str, kind: str, wanted: Object) -> None:
    began = time.monotonic()
    eventually(lambda: meaning(world.child(version, kind)) == wanted, SOON_SECONDS)
    print(f"{kind}: back after {time.monotonic() - began:.2f} s")


@pytest.mark.parametrize(("version", "kind"), KINDS)
def test_a_child_edited_by_hand_comes_back(world: World, version: str, kind: str) -> None:
    live = world.child(version, kind)
    wanted = meaning(live)
    strays = {"metadata": {"labels": {"app.kubernetes.io/part-of": "theirs"}}}
    ownerless = {"metadata": {"ownerReferences": None}}
    for edit in (EDITS[kind](live), strays, ownerless):
        world.api.patch(version, kind, "chat-router", edit, world.namespace)
        comes_back(world, version, kind, wanted)
    found = world.child(version, kind)["metadata"]
    assert found["uid"] == live["metadata"]["uid"]
    ours = {each["operation"] for each in found["managedFields"] if each["manager"] == "signalbox"}
    assert ours == {"Apply"}


@pytest.mark.parametrize(("version", "kind"), KINDS)
def test_a_child_whose_labels_are_taken_away_comes_back(world: World, version: str, kind: str) -> None:
    """By its labels it is watched: from the operator's point of view it has been deleted."""
    live = world.child(version, kind)
    bare = {"metadata": {"labels": dict.fromkeys(live["metadata"]["labels"])}}
    world.api.patch(version, kind, "chat-router", bare, world.namespace)
    comes_back(world, version, kind, meaning(live))
    assert world.child(version, kind)["metadata"]["uid"] == live["metadata"]["uid"]


@pytest.mark.parametrize(("version", "kind"), KINDS)
def test_a_child_deleted_by_hand_comes_back(world: World, version: str, kind: str) -> None:
    live = world.child(version, kind)
    world.api.delete(version, kind, "chat-router", world.namespace)
    eventually(lambda: world.child(version, kind)["metadata"]["uid"] != live["metadata"]["uid"], SOON_SECONDS)
    comes_back(world, version, kind, meaning(live))


def test_children_stay_where_their_owner_is_deleted_without_them(world: World) -> None:
    """As ``kubectl delete --cascade=orphan`` does it; a finalizer keeps the policy there for longer."""
    held = policy("leaving", model="leaving")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    world.apply(held)
    eventually(lambda: world.conditions("RoutingPolicy", "leaving").get("Programmed") == ("False", "Rollout"))
    uid = world.api.get(API, "RoutingPolicy", "leaving", world.namespace)["metadata"]["uid"]
    world.api.delete(API, "RoutingPolicy", "leaving", world.namespace, propagationPolicy="Orphan")
    for each in CHILDREN:
        eventually(lambda each=each: uid not in owners(world, *each), COLLECTED_SECONDS)
    world.apply(backend(limits={"maxInFlight": 7}))  # the operator looks at all of its routers
    eventually(lambda: world.config()["backends"][0]["limits"] == {"maxInFlight": 7})
    world.settle()
    assert all(uid not in owners(world, *each) for each in CHILDREN)
    world.api.patch(API, "RoutingPolicy", "leaving", {"metadata": {"finalizers": None}}, world.namespace)
    eventually(lambda: world.absent(API, "RoutingPolicy", "leaving"))
    world.apply(backend())
    eventually(lambda: not world.config()["backends"][0].get("limits"))
    for version, kind in CHILDREN:
        assert not world.child(version, kind, "leaving-router")["metadata"].get("ownerReferences")
        world.api.delete(version, kind, "leaving-router", world.namespace)


def test_what_a_mesh_adds_stays(world: World) -> None:
    """Labels, annotations and a sidecar, by another's apply and by a plain patch; also through edits of ours."""
    container = {"name": "mesh", "image": "mesh:1"}
    metadata = {"labels": {"mesh/revision": "1"}, "annotations": {"mesh/inject": "true"}}
    template = {"metadata": metadata, "spec": {"containers": [container]}}
    applied = {"metadata": {"name": "chat-router", **metadata}, "spec": {"template": template}}
    world.api.apply({"apiVersion": "apps/v1", "kind": "Deployment", **applied}, world.namespace, manager="mesh")
    patched = {"metadata": {"annotations": {"patched": "1"}, "labels": {"patched": "1"}}}
    world.api.patch(*DEPLOYMENT, "chat-router", {**patched, "spec": {"template": patched}}, world.namespace)
    for version, kind in CHILDREN:
        world.api.patch(version, kind, "chat-router", patched, world.namespace)
    world.apply(policy(router={"deployment": {"workers": 2, "podTemplate": {"metadata": {"labels": {"our": "own"}}}}}))
    eventually(lambda: world.child(*DEPLOYMENT)["spec"]["template"]["metadata"]["labels"].get("our") == "own")
    world.apply(policy())
    eventually(lambda: "our" not in world.child(*DEPLOYMENT)["spec"]["template"]["metadata"]["labels"])
    world.settle()
    live = world.child(*DEPLOYMENT)
    for each in (live["metadata"], live["spec"]["template"]["metadata"]):
        assert each["labels"].items() >= {"mesh/revision": "1", "patched": "1"}.items()
        assert each["annotations"].items() >= {"mesh/inject": "true", "patched": "1"}.items()
    assert [each["name"] for each in live["spec"]["template"]["spec"]["containers"]] == ["router", "mesh"]
    for version, kind in CHILDREN:
        assert world.child(version, kind)["metadata"]["annotations"]["patched"] == "1"


def test_an_autoscaler_has_the_replicas(world: World) -> None:
    """A real one: without any metrics it scales to its lower bound, and no edit of ours takes that back."""
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "chat"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat-router"},
            "minReplicas": 4,
            "maxReplicas": 6,
        },
    }
    world.apply(scaler, backend(limits={"maxInFlight": 60}))
    eventually(lambda: world.child(*DEPLOYMENT)["spec"]["replicas"] == 4)
    world.apply(policy(model="scaled"))
    eventually(lambda: world.config()["policies"][0]["models"] == ["scaled"])
    world.apply(policy(model="scaled", router={"deployment": {"workers": 2}}))
    eventually(lambda: "2" in world.child(*DEPLOYMENT)["spec"]["template"]["spec"]["containers"][0]["args"])
    world.settle()
    assert world.child(*DEPLOYMENT)["spec"]["replicas"] == 4
    eventually(lambda: world.config()["limitShares"] == 8)
