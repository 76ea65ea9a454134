"""Policies that share a router, on a real API server."""

from typing import Any

from world import OperatorProcess, World, backend, eventually, policy


def shared(**fields: Any) -> dict[str, Any]:
    return {"router": {"deployment": {"group": "all", **fields}}}


def models(world: World) -> set[str]:
    return {model for each in world.config("all-group")["policies"] for model in each["models"]}


def test_an_edit_of_the_eldest_deployment_ends_nobodys_traffic(world: World, operator: OperatorProcess) -> None:
    """The younger one is told that its deployment differs now, and is served as before."""
    world.apply(backend(), policy("old", model="m", **shared()))
    eventually(lambda: models(world) == {"m"})
    eventually(lambda: world.api.get("signalbox.dev/v1alpha1", "RoutingPolicy", "old", world.namespace)["status"])
    world.apply(policy("young", model="n", **shared()))
    eventually(lambda: models(world) == {"m", "n"})
    world.apply(policy("old", model="m", **shared(workers=2)))
    eventually(lambda: world.conditions("RoutingPolicy", "young").get("Accepted") == ("False", "GroupConflict"))
    world.settle()
    assert models(world) == {"m", "n"}
    (container,) = world.child("apps/v1", "Deployment", "all-group")["spec"]["template"]["spec"]["containers"]
    assert container["args"][container["args"].index("--workers") + 1] == "2"

    world.apply(policy("young", model="other", **shared(workers=2)))
    eventually(lambda: models(world) == {"m", "other"})
    eventually(lambda: world.conditions("RoutingPolicy", "young").get("Accepted") == ("True", "Accepted"))
