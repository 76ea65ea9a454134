"""What real routers report of their trouble, and how it stands in the status: engine, routers, operator, API server."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from connected import LOOPBACK, LeaderService, RouterProcess, Routers, StreamingOperator
from world import API, World, backend, eventually, policy

from cluster.api import Object
from cluster.processes import free_ports

ENTRY = "backend.a.apiKey"
# A release that reads the format before this one's.
OLDER = (
    "import signalbox.routing.config as config; config.FORMAT_VERSION -= 1; from signalbox.cli.main import main; main()"
)


@pytest.fixture
def operator(access: Path, namespace: str) -> Iterator[StreamingOperator]:
    running = StreamingOperator(access, namespace, *LOOPBACK)
    yield running
    running.kill()


@pytest.fixture
def engine() -> Iterator[str]:
    """The URL of one that takes a single key."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "signalbox.cli", "sim", "--listen", f"127.0.0.1:{port}", "--model", "m"]
    with subprocess.Popen([*command, "--api-key", "good", "--speed", "100"], stdout=subprocess.DEVNULL) as process:
        yield f"http://127.0.0.1:{port}/v1"
        process.terminate()


def key(value: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "stringData": {"token": value}}


def message(world: World, kind: str, name: str, condition: str) -> str:
    conditions = world.api.get(API, kind, name, world.namespace)["status"]["conditions"]
    return next(str(each["message"]) for each in conditions if each["type"] == condition)


def test_what_routers_cannot_use_stands_in_the_status(
    world: World, operator: StreamingOperator, service: LeaderService, engine: str, tmp_path: Path
) -> None:
    auth = {"apiKey": {"secretRef": {"name": "key", "key": "token"}}}
    world.apply(key("bad"), backend(url=engine, auth=auth), policy())
    eventually(lambda: world.child("policy/v1", "PodDisruptionBudget"))
    world.become_available()
    routers = Routers(world, service, tmp_path, *LOOPBACK)
    try:
        routers.connected()
        a_credential_that_the_engine_refuses(world, routers)
        a_configuration_that_a_router_refuses(world, *routers.all)
        a_backend_that_goes_and_comes_back(world, routers, backend(url=engine, auth=auth))
        a_router_of_an_older_release(world, routers.all[0])
    finally:
        routers.kill()


def a_credential_that_the_engine_refuses(world: World, routers: Routers) -> None:
    def refused() -> bool:
        assert routers.all[0].ask() in {502, 503}
        return world.conditions("ModelBackend", "a").get("Authorized") == ("False", "CredentialsRefused")

    eventually(refused)
    assert message(world, "ModelBackend", "a", "Authorized").endswith("check the Secret of spec.auth")
    assert world.conditions("ModelBackend", "a")["Ready"] == ("True", "Ready")  # requests can be sent there

    world.apply(key("good"))

    def answered() -> bool:
        for router in routers.all:
            router.mount()
        return all(router.ask() == 200 for router in routers.all)

    eventually(answered, 60.0)
    eventually(lambda: world.conditions("ModelBackend", "a").get("Authorized") == ("True", "Authorized"))
    eventually(lambda: world.statuses().get("Ready") == "True")


def a_configuration_that_a_router_refuses(world: World, spoilt: RouterProcess, other: RouterProcess) -> None:
    spoilt.spoil(ENTRY, b"a\x01b")
    world.apply(policy(model="second"))
    eventually(lambda: other.models() == ["second"])
    eventually(lambda: world.conditions("RoutingPolicy", "chat").get("Programmed") == ("False", "ConfigRejected"))
    assert world.statuses()["Stalled"] == "True"
    said = message(world, "RoutingPolicy", "chat", "Programmed")
    assert f"secret entry {ENTRY} is empty or has control characters" in said
    assert spoilt.models() == ["auto"]
    assert spoilt.ask() == 200  # the last good one, with the last good key
    spoilt.mount()
    eventually(lambda: spoilt.models() == ["second"])
    eventually(lambda: world.statuses().get("Ready") == "True")
    assert "Stalled" not in world.statuses()


def a_backend_that_goes_and_comes_back(world: World, routers: Routers, again: Object) -> None:
    world.api.delete(API, "ModelBackend", "a", world.namespace)
    for router in routers.all:
        eventually(lambda router=router: router.ask("second") == 503)
        assert router.models() == ["second"]  # it stays up, and says that there is no backend
    none = ("False", "NoResolvedTarget")
    eventually(lambda: world.conditions("RoutingPolicy", "chat").get("Programmed") == none)
    assert world.statuses()["Reconciling"] == "True"
    world.apply(again)
    for router in routers.all:
        eventually(lambda router=router: router.ask("second") == 200)
    eventually(lambda: world.statuses().get("Ready") == "True")
    assert "Reconciling" not in world.statuses()


def a_router_of_an_older_release(world: World, router: RouterProcess) -> None:
    router.kill()
    router.start("-c", OLDER)
    eventually(lambda: world.conditions("RoutingPolicy", "chat").get("Programmed") == ("False", "ConfigRejected"))
    assert world.statuses()["Reconciling"] == "True"
    assert router.pod["metadata"]["name"] in message(world, "RoutingPolicy", "chat", "Programmed")
    assert "upgrade the router" in router.said
    router.kill()
    router.start()
    router.port = router.serving()
    eventually(lambda: world.statuses().get("Ready") == "True")
