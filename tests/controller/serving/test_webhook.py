"""The webhook, called by a real API server: pods that opt in get a router, nobody else notices anything."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from connected import StreamingOperator
from world import API, World, backend, eventually, policy

from cluster import rights
from cluster.api import ApiError, Object
from cluster.processes import free_ports
from cluster.running import Cluster

KIND = ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration")
ROUTER = "signalbox-router"
CLIENT = "/webhooks/0/clientConfig"
JSON_PATCH = "application/json-patch+json"


@pytest.fixture
def webhook(cluster: Cluster, access: Path, namespace: str) -> Iterator[str]:
    """The configuration and the rights are the chart's; the place is not: the operator is outside of the cluster."""
    if cluster.control_plane is None:
        pytest.skip("the API server of an existing cluster does not reach a webhook on this machine")
    name = rights.account_of(namespace)
    streaming = StreamingOperator(access, namespace, "--webhook", name)
    change = [{"op": "replace", "path": CLIENT, "value": {"url": f"https://localhost:{streaming.port}/mutate-pods"}}]
    cluster.api.call("PATCH", cluster.api.path(*KIND, None, name), change, JSON_PATCH)
    eventually(lambda: bundle(cluster, name))
    yield name
    streaming.end()


def bundle(cluster: Cluster, name: str) -> str:
    """Whom the API server trusts."""
    (found,) = cluster.api.get(*KIND, name)["webhooks"]
    return str(found["clientConfig"].get("caBundle", ""))


def pod(name: str, **labels: str) -> Object:
    containers = [{"name": "app", "image": "app:1"}, {"name": "other", "image": "other:1"}]
    metadata = {"name": name, "labels": {key.replace("_", "/"): value for key, value in labels.items()}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers}}


def create(world: World, obj: Object) -> tuple[Object, list[str]]:
    """Create a pod; what became of it, and the warnings."""
    path = f"/api/v1/namespaces/{world.namespace}/pods"
    response = world.api.http.post(path, json=obj)
    if response.is_error:
        raise ApiError(response)
    return response.json(), response.headers.get_list("warning")


def injected(world: World, name: str) -> Object:
    """A pod that has the router; the API server may need a moment until it trusts us."""
    labels = {"signalbox.dev_inject": "side"}

    def attempt() -> Any:
        made, _ = create(world, pod(name, **labels))
        if [each["name"] for each in made["spec"].get("initContainers", ())] == [ROUTER]:
            return made
        world.api.call("DELETE", f"/api/v1/namespaces/{world.namespace}/pods/{name}?gracePeriodSeconds=0")
        return None

    return eventually(attempt)


def test_a_pod_that_opts_in_gets_a_router(world: World, webhook: str) -> None:
    world.apply(backend(), policy("side", router={"sidecar": {"port": 15080}}))
    eventually(lambda: world.statuses("side").get("Ready") == "True")
    made = injected(world, "app")
    (router,) = made["spec"]["initContainers"]
    assert (router["restartPolicy"], router["image"]) == ("Always", "signalbox:test")
    assert "--control-url" in router["args"]
    for container in made["spec"]["containers"]:
        variables = {each["name"]: each.get("value") for each in container["env"]}
        assert variables == {"OPENAI_BASE_URL": "http://127.0.0.1:15080/v1"}
    volumes = {volume["name"]: volume for volume in made["spec"]["volumes"]}
    assert volumes["signalbox-config"]["configMap"] == {"name": "side-router", "optional": True, "defaultMode": 420}
    assert volumes["signalbox-secrets"]["secret"]["optional"] is True


def test_other_pods_are_left_alone(world: World, webhook: str) -> None:
    world.apply(backend(), policy("side", router={"sidecar": {}}), policy("own", model="m"))
    injected(world, "first")
    plain, warnings = create(world, pod("plain"))
    assert ("initContainers" in plain["spec"], warnings) == (False, [])
    unknown, warnings = create(world, pod("unknown", **{"signalbox.dev_inject": "nobody"}))
    assert "initContainers" not in unknown["spec"]
    assert "RoutingPolicy nobody, which does not exist" in warnings[0]
    deployed, warnings = create(world, pod("deployed", **{"signalbox.dev_inject": "own"}))
    assert "initContainers" not in deployed["spec"]
    assert "RoutingPolicy own has a Deployment" in warnings[0]


def test_who_has_a_router_and_who_has_not_is_in_the_status(world: World, webhook: str) -> None:
    world.apply(backend(), policy("side", router={"sidecar": {}}))
    injected(world, "app")

    def router() -> Object:
        return world.api.get(API, "RoutingPolicy", "side", world.namespace)["status"]["router"]

    eventually(lambda: router()["replicas"] == 1)
    assert "uninjected" not in router()
    unlike = pod("late", signalbox_dev="x")  # the label comes when it is too late
    create(world, unlike)
    label = {"metadata": {"labels": {"signalbox.dev/inject": "side"}}}
    path = f"/api/v1/namespaces/{world.namespace}/pods/late"
    world.api.call("PATCH", path, label, "application/merge-patch+json")
    eventually(lambda: router().get("uninjected") == 1)

    def events() -> list[str]:
        found = world.api.list("events.k8s.io/v1", "Event", world.namespace)
        return [each["note"] for each in found if each["reason"] == "PodsNotInjected"]

    assert "1 pods ask for a sidecar" in eventually(events)[0]
    world.api.call("DELETE", f"{path}?gracePeriodSeconds=0")
    eventually(lambda: "uninjected" not in router())


def test_trust_comes_back_when_it_is_taken_away(cluster: Cluster, webhook: str) -> None:
    before = bundle(cluster, webhook)
    change = [{"op": "remove", "path": f"{CLIENT}/caBundle"}]
    cluster.api.call("PATCH", cluster.api.path(*KIND, None, webhook), change, JSON_PATCH)
    eventually(lambda: bundle(cluster, webhook) == before)
    (found,) = cluster.api.get(*KIND, webhook)["webhooks"]
    assert (found["timeoutSeconds"], found["failurePolicy"]) == (2, "Ignore")


def test_without_an_operator_pods_are_made_without_a_router(cluster: Cluster, world: World, webhook: str) -> None:
    (found,) = cluster.api.get(*KIND, webhook)["webhooks"]
    (port,) = free_ports(1)
    change = [{"op": "replace", "path": f"{CLIENT}/url", "value": f"https://localhost:{port}/x"}]
    cluster.api.call("PATCH", cluster.api.path(*KIND, None, webhook), change, JSON_PATCH)
    made, _ = create(world, pod("alone", **{"signalbox.dev_inject": "side"}))
    assert "initContainers" not in made["spec"]
    assert found["failurePolicy"] == "Ignore"
