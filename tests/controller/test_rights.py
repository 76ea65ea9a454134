"""The chart gives the operator what it needs, and nothing more: each right is used here, or has its reason."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from connected import SERVICE, LeaderService, Routers, StreamingOperator
from world import API, CHILDREN, World, backend, eventually, policy

from cluster import rights
from cluster.processes import free_ports
from cluster.rights import Right
from cluster.running import Cluster

WEBHOOK = ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration")

# Rights that the operator has and that this scenario does not use, each with its reason.
UNUSED: dict[Right, str] = {}


@pytest.fixture
def metrics() -> str:
    """Where the metrics are served."""
    (port,) = free_ports(1)
    return f"127.0.0.1:{port}"


@pytest.fixture
def operator(world: World, access: Path, namespace: str, metrics: str) -> Iterator[StreamingOperator]:
    """It finds a way to a leader of the other family of addresses: that cannot be changed, it has to be made anew."""
    slice_ = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": SERVICE}}
    world.apply(slice_ | {"addressType": "IPv6", "endpoints": [{"addresses": ["fd00::1"]}], "ports": []})
    running = StreamingOperator(access, namespace, "--metrics", metrics, "--webhook", rights.account_of(namespace))
    yield running
    running.kill()


def test_every_right_is_used_and_none_is_missing(
    cluster: Cluster, world: World, operator: StreamingOperator, namespace: str, metrics: str, tmp_path: Path
) -> None:
    if cluster.audit is None:
        pytest.skip("an existing cluster shows no audit log")
    connect_a_router(world, tmp_path)
    read_metrics(world, metrics)
    eventually(lambda: world.api.get(*WEBHOOK, rights.account_of(namespace))["webhooks"][0]["clientConfig"]["caBundle"])
    expire(world)
    everything(world)
    assert operator.end() == 0
    events = cluster.requests(rights.user_of(namespace))
    assert rights.refused(events) == set()
    assert rights.granted(rights.rendered(namespace)) - rights.used(events) == UNUSED.keys()


def connect_a_router(world: World, directory: Path) -> None:
    """Its token is reviewed, and its pod found out."""
    world.apply(backend(), policy())
    service = LeaderService(world)
    try:
        routers = Routers(world, service, directory)
        try:
            routers.connected()
        finally:
            routers.kill()
    finally:
        service.close()


def read_metrics(world: World, address: str) -> None:
    """By somebody whom the API server knows, and who may not."""
    headers = {"authorization": f"Bearer {world.api.token('default', world.namespace)}"}
    assert httpx.get(f"https://{address}/metrics", headers=headers, verify=False, trust_env=False).status_code == 403


def expire(world: World) -> None:
    """What is wrong with the certificate is put right."""
    world.api.patch("v1", "Secret", "signalbox-tls", {"data": {"tls.crt": None}}, world.namespace)
    eventually(lambda: "tls.crt" in world.api.get("v1", "Secret", "signalbox-tls", world.namespace)["data"])


def everything(world: World) -> None:
    """All that makes the operator write or read: children made, corrected, pruned, and names that are taken."""
    tenants = {"tenants": [{"name": "team", "keysFrom": [{"secretRef": {"name": "keys"}}]}]}
    authority = {"caConfigMapRef": {"name": "ca", "key": "ca.crt"}}
    world.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "keys"},
            "stringData": {"one": "a-key-of-the-team"},
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ca"}, "data": {"ca.crt": "no certificate"}},
        backend(),
        backend("private", tls=authority),
        policy(access=tenants),
    )
    for version, kind in CHILDREN:
        eventually(lambda version=version, kind=kind: world.child(version, kind))
    for version, kind in CHILDREN:
        taken = f"taken-{kind.lower()}"
        world.apply(foreign(version, kind, f"{taken}-router"), policy(taken, model=taken))
        eventually(
            lambda taken=taken: world.conditions("RoutingPolicy", taken)["Programmed"] == ("False", "NameConflict")
        )
    grouped = {"deployment": {"group": "shared"}}
    world.apply(policy(access=tenants, router=grouped))
    for version, kind in CHILDREN:
        eventually(lambda version=version, kind=kind: world.absent(version, kind))
    world.api.delete(API, "RoutingPolicy", "chat", world.namespace)
    world.settle()


def foreign(version: str, kind: str, name: str) -> dict[str, Any]:
    """An object with a child's name that somebody else has made."""
    labels = {"app": name}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "none"}]}}
    rest: dict[str, Any] = {
        "Service": {"spec": {"clusterIP": "None"}},
        "Deployment": {"spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": pod}},
        "PodDisruptionBudget": {"spec": {"maxUnavailable": 1, "selector": {"matchLabels": labels}}},
    }.get(kind, {})
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **rest}
