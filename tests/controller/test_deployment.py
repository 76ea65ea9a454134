"""``router.deployment`` and ``router.sidecar`` on a real API server: what is ours to say, and what is not."""

from typing import Any

from world import API, CHILDREN, OperatorProcess, World, backend, eventually, policy

from cluster.api import Object

DEPLOYMENT = ("apps/v1", "Deployment")


def deployed(name: str = "chat", model: str = "auto", **deployment: Any) -> Object:
    return policy(name, model, **({"router": {"deployment": deployment}} if deployment else {}))


def template(world: World) -> Any:
    return world.child(*DEPLOYMENT)["spec"]["template"]


def status(world: World, name: str = "chat") -> Any:
    return world.api.get(API, "RoutingPolicy", name, world.namespace)["status"]


def message(world: World, kind: str, name: str = "chat") -> str:
    return next(c["message"] for c in status(world, name)["conditions"] if c["type"] == kind)


def scale(world: World, replicas: int) -> None:
    path = f"/apis/apps/v1/namespaces/{world.namespace}/deployments/chat-router/scale"
    world.api.call("PATCH", path, {"spec": {"replicas": replicas}}, "application/merge-patch+json")


def test_every_field_reaches_the_children_and_leaves_them_again(world: World, operator: OperatorProcess) -> None:
    fields = {
        "workers": 2,
        "resources": {"requests": {"cpu": "0.5", "memory": "256Mi"}},
        "service": {"port": 80, "labels": {"team": "a"}, "annotations": {"example.com/a": "1"}},
        "podTemplate": {
            "metadata": {"labels": {"team": "a"}, "annotations": {"example.com/a": "1"}},
            "spec": {
                "nodeSelector": {"pool": "edge"},
                "containers": [
                    {"name": "mesh", "image": "mesh:1"},
                    {"name": "router", "env": [{"name": "TZ", "value": "UTC"}]},
                ],
            },
        },
    }
    world.apply(backend(), deployed(**fields))
    eventually(lambda: world.child("policy/v1", "PodDisruptionBudget"))
    spec = template(world)["spec"]
    assert [c["name"] for c in spec["containers"]] == ["mesh", "router"]
    assert spec["containers"][1]["resources"] == {"requests": {"cpu": "500m", "memory": "256Mi"}}
    assert world.child("v1", "Service")["spec"]["ports"][0]["port"] == 80
    url = f"http://chat-router.{world.namespace}.svc:80/v1"
    eventually(lambda: status(world)["addresses"] == [{"type": "Service", "url": url}])
    world.settle()
    before = world.versions()
    world.apply(backend("b"))  # a reconcile: what the server spells in another way is no difference
    eventually(lambda: world.conditions("ModelBackend", "b"))
    world.settle()
    assert {key: value for key, value in world.versions().items() if key[1] != "b"} == before

    path = f"/api/v1/namespaces/{world.namespace}/services/chat-router"
    theirs = {"metadata": {"labels": {"theirs": "x"}, "annotations": {"mesh": "theirs"}}}
    world.api.call("PATCH", path, theirs, "application/merge-patch+json")
    world.apply(deployed())
    eventually(lambda: "nodeSelector" not in template(world)["spec"])
    assert [c["name"] for c in template(world)["spec"]["containers"]] == ["router"]
    assert "env" not in template(world)["spec"]["containers"][0]
    assert "team" not in template(world)["metadata"]["labels"]
    assert "example.com/a" not in template(world)["metadata"]["annotations"]
    eventually(lambda: "team" not in world.child("v1", "Service")["metadata"]["labels"])
    metadata = world.child("v1", "Service")["metadata"]
    assert metadata["annotations"] == {"mesh": "theirs"}
    assert metadata["labels"]["theirs"] == "x"


def test_replicas_are_ours_while_they_are_said(world: World, operator: OperatorProcess) -> None:
    world.apply(backend(limits={"maxInFlight": 60}), deployed(replicas=3))
    eventually(lambda: world.child(*DEPLOYMENT)["spec"]["replicas"] == 3)
    eventually(lambda: world.config()["limitShares"] == 3)
    scale(world, 5)
    eventually(lambda: world.child(*DEPLOYMENT)["spec"]["replicas"] == 3)

    world.apply(deployed(workers=2))  # no longer said: kept, and from now on whoever scales owns it
    eventually(lambda: "2" in template(world)["spec"]["containers"][0]["args"])
    world.settle()
    assert world.child(*DEPLOYMENT)["spec"]["replicas"] == 3
    scale(world, 5)
    eventually(lambda: world.config()["limitShares"] == 10)
    world.settle()
    assert world.child(*DEPLOYMENT)["spec"]["replicas"] == 5

    world.apply(deployed(replicas=1))
    eventually(lambda: world.child(*DEPLOYMENT)["spec"]["replicas"] == 1)
    eventually(lambda: world.absent("policy/v1", "PodDisruptionBudget"))


def test_the_router_in_the_status(world: World, operator: OperatorProcess) -> None:
    world.apply(backend(), policy())
    eventually(lambda: status(world)["router"]["replicas"] == 2)
    world.become_available()
    eventually(lambda: status(world)["router"]["readyReplicas"] == 2)
    annotations = world.child("v1", "ConfigMap")["metadata"]["annotations"]
    assert status(world)["router"]["configHash"] == annotations["signalbox.dev/config-hash"]


def test_a_template_that_the_server_refuses(world: World, operator: OperatorProcess) -> None:
    world.apply(backend(), deployed())
    eventually(lambda: world.child("policy/v1", "PodDisruptionBudget"))
    world.become_available()
    before = template(world)
    for spec, words in (
        ({"dnsPolicy": "Nonsense"}, "spec.template.spec.dnsPolicy"),
        ({"containers": [{"name": "more"}]}, "spec.template.spec.containers[0].image"),
        ({"nodeSelectr": {"a": "b"}}, "nodeSelectr"),
    ):
        world.apply(deployed(podTemplate={"spec": spec}))
        eventually(
            lambda words=words: (
                world.conditions("RoutingPolicy", "chat")["Programmed"] == ("False", "ApplyFailed")
                and words in message(world, "Programmed")
            )
        )
        assert world.statuses()["Stalled"] == "True"
        assert template(world) == before
    world.apply(deployed())
    eventually(lambda: world.statuses().get("Ready") == "True")


def test_a_template_that_takes_the_router_away(world: World, operator: OperatorProcess) -> None:
    world.apply(backend(), deployed())
    eventually(lambda: world.child("policy/v1", "PodDisruptionBudget"))
    before = template(world)
    world.apply(deployed(podTemplate={"spec": {"containers": [{"name": "router", "$patch": "delete"}]}}))
    eventually(lambda: world.conditions("RoutingPolicy", "chat").get("Accepted") == ("False", "InvalidPodTemplate"))
    assert "podTemplate.spec.containers[0]: takes away the container router" in message(world, "Accepted")
    assert template(world) == before


def test_the_group_is_handed_on(world: World, operator: OperatorProcess) -> None:
    """The eldest is the controller of the children; the next one takes over when it goes."""
    world.apply(backend(), deployed("one", "first", group="g", replicas=3))
    eventually(lambda: world.child("v1", "Service", "g-group"))
    uids = {}
    world.apply(deployed("two", "second", group="g", replicas=3))

    def owners(kind: tuple[str, str]) -> dict[str, bool]:
        found = world.child(*kind, "g-group")["metadata"]["ownerReferences"]
        return {owner["name"]: owner.get("controller", False) for owner in found}

    for kind in CHILDREN:
        eventually(lambda kind=kind: owners(kind) == {"one": True, "two": False})
        uids[kind] = world.child(*kind, "g-group")["metadata"]["uid"]
    # An elder one leaves; to change what the group says, only one may be left.
    world.api.delete(API, "RoutingPolicy", "one", world.namespace)
    for kind in CHILDREN:
        eventually(lambda kind=kind: owners(kind) == {"two": True})
        assert world.child(*kind, "g-group")["metadata"]["uid"] == uids[kind], kind
    eventually(lambda: [p["name"] for p in world.config("g-group")["policies"]] == ["two"])
    assert world.child(*DEPLOYMENT, "g-group")["spec"]["replicas"] == 3
    world.apply(deployed("two", "second", group="g"))
    world.settle()
    assert world.child(*DEPLOYMENT, "g-group")["spec"]["replicas"] == 3
    world.api.delete(API, "RoutingPolicy", "two", world.namespace)
    for kind in CHILDREN:
        eventually(lambda kind=kind: world.absent(*kind, "g-group"))


def test_a_foreign_object_of_a_group_is_never_touched(world: World, operator: OperatorProcess) -> None:
    foreign = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "g-group", "labels": {"app.kubernetes.io/managed-by": "signalbox"}},
        "data": {"mine": "1"},
    }
    world.apply(foreign)
    before = world.child("v1", "ConfigMap", "g-group")
    world.apply(backend(), deployed("one", "first", group="g"), deployed("two", "second", group="g"))
    for name in ("one", "two"):
        eventually(
            lambda name=name: world.conditions("RoutingPolicy", name).get("Programmed") == ("False", "NameConflict")
        )
    world.api.delete(API, "RoutingPolicy", "one", world.namespace)
    world.api.delete(API, "RoutingPolicy", "two", world.namespace)
    eventually(lambda: world.absent("v1", "Secret", "g-group"))
    assert world.child("v1", "ConfigMap", "g-group") == before


def test_a_sidecar_has_its_files_and_is_ready_without_a_pod(world: World, operator: OperatorProcess) -> None:
    normal = {"Accepted": "True", "ResolvedRefs": "True", "Programmed": "True", "Ready": "True"}
    world.apply(backend(), policy(router={"sidecar": {}}))
    eventually(lambda: world.statuses() == normal)
    assert status(world)["addresses"] == [{"type": "Sidecar", "url": "http://127.0.0.1:15080/v1"}]
    assert status(world)["router"]["replicas"] == 0
    assert world.config()["policies"][0]["name"] == "chat"
    for version, kind in CHILDREN:
        assert world.absent(version, kind) is (kind not in {"ConfigMap", "Secret"})
    # From one kind of router to the other, and back again.
    world.apply(policy(router={"deployment": {}}))
    eventually(lambda: world.child("policy/v1", "PodDisruptionBudget"))
    world.apply(policy(router={"sidecar": {}}))
    for version, kind in CHILDREN:
        eventually(lambda version=version, kind=kind: world.absent(version, kind) or kind in {"ConfigMap", "Secret"})
    eventually(lambda: world.statuses() == normal and status(world)["router"]["replicas"] == 0)
