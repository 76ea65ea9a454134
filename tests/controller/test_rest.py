"""Five minutes in which nothing happens: every timer of the operator has run, and nothing was written."""

import time

import pytest
from world import OperatorProcess, World, backend, eventually, policy

from cluster import rights
from cluster.running import Cluster

REST_SECONDS = 300.0
WRITES = {"create", "update", "patch", "delete", "deletecollection"}


@pytest.mark.long
def test_five_minutes_of_rest(cluster: Cluster, world: World, operator: OperatorProcess) -> None:
    """With a policy that serves, and some in each state that is none to stay in."""
    world.apply(backend(), backend("engines", serviceRef={"name": "engine", "port": 80}))
    lost = [{"name": "a", "backendRef": {"name": "nowhere"}}]
    world.apply(
        policy(),
        policy("rolling"),
        policy("beside", router={"sidecar": {}}),
        policy("invalid", when="query.char > 1"),
        policy("lost", targets=lost),
    )
    world.become_available()
    eventually(lambda: world.statuses()["Ready"] == "True")
    eventually(lambda: world.statuses("invalid")["Accepted"] == world.statuses("lost")["ResolvedRefs"] == "False")
    world.settle()
    before, asked = world.versions(), _writes(cluster, world)
    assert asked
    time.sleep(REST_SECONDS)
    assert world.versions() == before
    assert _writes(cluster, world) == asked
    assert operator.process.poll() is None


def _writes(cluster: Cluster, world: World) -> list[str]:
    """What the operator wrote so far; the Lease is renewed all the time."""
    if cluster.audit is None:
        pytest.skip("an existing cluster shows no audit log")
    return [
        f"{event['verb']} {event['requestURI']}"
        for event in cluster.requests(rights.user_of(world.namespace))
        if event["verb"] in WRITES and event["objectRef"]["resource"] != "leases"
    ]
