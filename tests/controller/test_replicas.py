"""Several operators: one acts, and another goes on when it ends."""

import subprocess
import time
from pathlib import Path

import pytest
from world import API, OperatorProcess, World, backend, eventually, policy

from cluster.running import Cluster

LEASE = ("coordination.k8s.io/v1", "Lease", "signalbox-operator")


def holder(world: World) -> str:
    return str(world.api.get(*LEASE, world.namespace)["spec"]["holderIdentity"])


def reconciles(world: World, name: str) -> None:
    """Wait until a new backend has a status."""
    world.apply(backend(name))
    eventually(lambda: world.conditions("ModelBackend", name))


@pytest.fixture
def second(operator: OperatorProcess, world: World, access: Path, namespace: str) -> OperatorProcess:
    """Another operator, which has to wait."""
    reconciles(world, "first")  # the first one is the leader
    made = OperatorProcess(access, namespace)
    time.sleep(2.0)
    return made


def test_a_clean_end_hands_over(world: World, operator: OperatorProcess, second: OperatorProcess) -> None:
    try:
        before = holder(world)
        assert operator.end() == 0
        reconciles(world, "second")
        assert holder(world) not in {before, ""}
        assert second.end() == 0
        assert holder(world) == ""
    finally:
        second.kill()


def test_a_crash_is_noticed(world: World, operator: OperatorProcess, second: OperatorProcess) -> None:
    try:
        operator.kill()
        reconciles(world, "second")
    finally:
        second.kill()


def test_who_loses_the_lease_ends(world: World, operator: OperatorProcess, cluster: Cluster) -> None:
    reconciles(world, "first")
    taken = {"spec": {"holderIdentity": "somebody", "leaseDurationSeconds": 60}}
    path = f"/apis/coordination.k8s.io/v1/namespaces/{world.namespace}/leases/signalbox-operator"
    world.api.call("PATCH", path, taken, "application/merge-patch+json")
    assert operator.process.wait(10) == 3


def test_a_restart_takes_nothing_away(world: World, operator: OperatorProcess) -> None:
    """A new operator knows the children before it knows the policies, and must not think them abandoned."""
    world.apply(backend(), policy())
    eventually(lambda: world.child("policy/v1", "PodDisruptionBudget"))
    world.settle()
    uid = world.child("apps/v1", "Deployment")["metadata"]["uid"]
    for _ in range(3):
        operator.kill()
        world.api.delete(*LEASE, world.namespace)
        operator.start()
        reconciles(world, f"b{time.monotonic_ns()}")
    assert world.child("apps/v1", "Deployment")["metadata"]["uid"] == uid
    assert isinstance(operator.process, subprocess.Popen)
    assert world.api.get(API, "RoutingPolicy", "chat", world.namespace)
