"""Events on a real API server."""

from world import API, OperatorProcess, World, backend, eventually, policy

EVENTS = ("events.k8s.io/v1", "Event")


def told(world: World, name: str) -> list[tuple[str, str]]:
    """Type and reason of our Events about an object."""
    found = [
        obj
        for obj in world.api.list(*EVENTS, world.namespace)
        if obj["reportingController"] == "signalbox.dev/operator" and obj["regarding"]["name"] == name
    ]
    found.sort(key=lambda obj: obj["eventTime"])
    return [(obj["type"], obj["reason"]) for obj in found]


def test_transitions_are_told_once(world: World, operator: OperatorProcess) -> None:
    world.apply(backend(), policy())
    eventually(lambda: world.child("policy/v1", "PodDisruptionBudget"))
    world.become_available()
    eventually(lambda: ("Normal", "Ready") in told(world, "chat"))
    assert told(world, "a") == []
    world.apply(policy(when="query.char > 1"))
    eventually(lambda: ("Warning", "InvalidExpression") in told(world, "chat"))
    world.apply(policy(when="query.chars > 2"))
    eventually(lambda: told(world, "chat")[-1] == ("Normal", "Ready"))
    world.settle()
    before = told(world, "chat")
    for number in range(3, 6):
        world.apply(policy(when=f"query.chars > {number}"))
    eventually(lambda: world.statuses().get("Ready") == "True")
    world.settle()
    assert told(world, "chat") == before
    uid = world.api.get(API, "RoutingPolicy", "chat", world.namespace)["metadata"]["uid"]
    about = [obj["regarding"] for obj in world.api.list(*EVENTS, world.namespace) if obj["regarding"].get("uid") == uid]
    assert {(each["kind"], each["apiVersion"]) for each in about} == {("RoutingPolicy", API)}
