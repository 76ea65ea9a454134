"""The live page of an operator: the leader shows what its loops decide, the others say who leads."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from world import OperatorProcess, World, backend, eventually, policy


def free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Operator(OperatorProcess):
    """One with a page."""

    def __init__(self, access: Path, namespace: str) -> None:
        self.url = f"http://127.0.0.1:{free()}"
        super().__init__(access, namespace, "--page", self.url.removeprefix("http://"))

    def view(self) -> Any:
        return httpx.get(f"{self.url}/view").json()


@pytest.fixture
def operators(access: Path, namespace: str) -> Iterator[list[Operator]]:
    running = [Operator(access, namespace) for _ in range(2)]
    yield running
    for each in running:
        each.kill()


def test_the_leader_shows_its_loops_and_the_others_say_who_leads(
    world: World, namespace: str, operators: list[Operator]
) -> None:
    world.apply(backend(), policy())
    leader = eventually(lambda: next(each for each in operators if each.view()["who"]["leads"]))
    view = eventually(lambda: leader.view()["view"])
    assert leader.view()["spaces"] == [namespace]
    assert [each["name"] for each in view["policies"]] == ["chat"]
    assert [each["name"] for each in view["backends"]] == ["a"]

    (other,) = (each for each in operators if each is not leader)
    eventually(lambda: other.view()["who"]["leader"])  # it may have begun just now
    said = other.view()
    assert (said["spaces"], said["view"]) == ([], None)
    assert said["who"] == {
        "kind": "operator",
        "name": said["who"]["name"],
        "leads": False,
        "leader": said["who"]["name"],
    }
    assert said["who"]["leader"] == socket.gethostname(), "as pods do, both have the name of their machine"
    assert httpx.get(other.url).status_code == 200
    assert httpx.get(f"{leader.url}/view", headers={"Host": "evil.example"}).status_code == 403

    assert leader.end() == 0
    again = eventually(lambda: other.view()["who"]["leads"] and other.view()["view"])
    assert [each["name"] for each in again["policies"]] == ["chat"]

    world.api.delete("signalbox.dev/v1alpha1", "RoutingPolicy", "chat", namespace)
    eventually(lambda: other.view()["spaces"] == [])
