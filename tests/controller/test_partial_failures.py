"""One step that fails withholds nothing else in its namespace: a real API server that refuses some things, one operator
for all cases."""

from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web
from faulty import Fault
from outages import Outages
from world import API, OperatorProcess, World, backend, eventually, policy

from cluster.api import Object
from cluster.namespaces import create_namespace, delete_namespace
from cluster.running import Cluster

UNREADABLE = ("False", "SourceUnreadable")


@pytest.fixture(scope="module")
def outages(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outages]:
    made = Outages(cluster, tmp_path_factory.mktemp("outages") / "kubeconfig")
    yield made
    made.close()


@pytest.fixture(scope="module")
def world(cluster: Cluster) -> Iterator[World]:
    namespace = create_namespace(cluster)
    yield World(cluster, namespace)
    delete_namespace(cluster, namespace)


@pytest.fixture(scope="module")
def operator(world: World, outages: Outages) -> Iterator[OperatorProcess]:
    running = OperatorProcess(outages.access, world.namespace)
    yield running
    running.kill()


def refused(method: str, ending: str, *, status: int = 500) -> Fault:
    def kind(request: web.Request) -> bool:
        return request.method == method and request.path.endswith(ending)

    return Fault(kind, status=status, reason="InternalError")


def keys(name: str) -> Object:
    data = {"key": "a-key-of-some-tenant"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


def tenant(name: str, secret: str) -> Object:
    access: dict[str, Any] = {"tenants": [{"name": "t", "keysFrom": [{"secretRef": {"name": secret}}]}]}
    return policy(name, model=name, access=access)


def programmed(world: World, name: str) -> bool:
    return world.conditions("RoutingPolicy", name)["Programmed"] == ("False", "Rollout")


def test_a_secret_that_cannot_be_read(world: World, operator: OperatorProcess, outages: Outages) -> None:
    world.apply(backend(), keys("first"), tenant("before", "first"))
    eventually(lambda: programmed(world, "before"))
    world.settle()
    composed = world.child("v1", "Secret", "before-router")
    assert set(composed["data"]) == {"tenant.before.t.first"}
    operator.kill()
    outages.answer(refused("GET", "/secrets/first"), refused("GET", "/secrets/second"))
    operator.start()  # a new one knows nothing yet
    world.apply(keys("second"), tenant("after", "second"), policy("other", model="other"))
    eventually(lambda: programmed(world, "other"))
    for name in ("before", "after"):
        eventually(lambda name=name: world.conditions("RoutingPolicy", name)["ResolvedRefs"] == UNREADABLE)
    assert world.child("v1", "Secret", "before-router")["data"] == composed["data"]
    outages.heal()
    eventually(lambda: world.statuses("before")["ResolvedRefs"] == "True")
    eventually(lambda: world.statuses("after")["ResolvedRefs"] == "True")
    assert set(world.child("v1", "Secret", "after-router")["data"]) == {"tenant.after.t.second"}


@pytest.mark.usefixtures("operator")
def test_a_status_that_cannot_be_written(world: World, outages: Outages) -> None:
    outages.answer(refused("PATCH", "/routingpolicies/mute/status"))
    world.apply(policy("mute", model="mute"), policy("loud", model="loud"), backend("b"))
    for name in ("mute", "loud"):
        eventually(lambda name=name: world.child("apps/v1", "Deployment", f"{name}-router"))
    eventually(lambda: programmed(world, "loud"))
    eventually(lambda: world.conditions("ModelBackend", "b"))
    assert not world.api.get(API, "RoutingPolicy", "mute", world.namespace)["status"].get("conditions")
    outages.heal()
    eventually(lambda: programmed(world, "mute"))


@pytest.mark.usefixtures("operator")
def test_a_child_that_cannot_be_deleted(world: World, outages: Outages) -> None:
    one = {"router": {"deployment": {"replicas": 2}}}
    world.apply(policy("shrinks", model="shrinks", **one))
    eventually(lambda: world.child("policy/v1", "PodDisruptionBudget", "shrinks-router"))
    outages.answer(refused("DELETE", "/poddisruptionbudgets/shrinks-router"))
    one["router"]["deployment"]["replicas"] = 1  # no budget any more
    world.apply(policy("shrinks", model="shrinks", **one), policy("another", model="another"))
    eventually(lambda: programmed(world, "another"))
    eventually(lambda: programmed(world, "shrinks"))
    assert not world.absent("policy/v1", "PodDisruptionBudget", "shrinks-router")
    outages.heal()
    eventually(lambda: world.absent("policy/v1", "PodDisruptionBudget", "shrinks-router"))
