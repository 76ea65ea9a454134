"""Who is let on the control stream, and who is not: real tokens, real pods, a real operator."""

import base64
import json
import ssl
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from connected import AUDIENCE, StreamingOperator, pods, token_of
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from world import SECONDS, World, backend, eventually, policy

from cluster import rights
from cluster.api import Object
from cluster.namespaces import create_namespace, delete_namespace
from cluster.running import Cluster
from signalbox.control.peers import Refused, Router
from signalbox.controller.routers.identity import PodIdentity
from signalbox.controller.watching.store import Store
from signalbox.kube.access import Access
from signalbox.kube.client import Client
from signalbox.kube.resources import CONFIG_MAPS, DEPLOYMENTS

POD = {"containers": [{"name": "app", "image": "signalbox:test"}], "serviceAccountName": "chat-router"}
INJECTED = {"name": "signalbox-router", "image": "signalbox:test", "restartPolicy": "Always"}


class Door:
    """An operator with the router of one policy; ``knock`` says what it answers to a token."""

    def __init__(self, world: World, cluster: Cluster, port: int) -> None:
        self.world, self.cluster = world, cluster
        secret = eventually(lambda: world.child("v1", "Secret", "signalbox-tls"))
        self._context = ssl.create_default_context(cadata=base64.b64decode(secret["data"]["ca.crt"]).decode())
        self._url = f"https://localhost:{port}/v1/control"
        self._theirs: list[Object] = []
        eventually(lambda: len(pods(world)) == 2)
        self.pod = pods(world)[0]

    def knock(self, token: str) -> int:
        headers = {"authorization": f"Bearer {token}"}
        with (
            httpx.Client(verify=self._context, trust_env=False, timeout=SECONDS) as client,
            client.stream("POST", self._url, headers=headers) as answer,
        ):
            return answer.status_code

    def create(self, pod: Object) -> Object:
        """A pod of somebody's."""
        labels = {"app.kubernetes.io/instance": "chat-router", **pod["metadata"].get("labels", {})}
        metadata = {"generateName": "theirs-", **pod["metadata"], "labels": labels}
        obj = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {**POD, **pod.get("spec", {})}}
        self._theirs.append(self.world.api.create(obj, self.world.namespace))
        return self._theirs[-1]

    def leave(self) -> None:
        """Only the router's own pods are there for the next test."""
        for pod in self._theirs:
            self.world.api.delete("v1", "Pod", pod["metadata"]["name"], self.world.namespace, gracePeriodSeconds=0)


@pytest.fixture(scope="module")
def open_for_all(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, int]]:
    """One operator for all of these tests, and its port."""
    namespace = create_namespace(cluster)
    world = World(cluster, namespace)
    world.apply(backend(), policy())
    running = StreamingOperator(rights.give(cluster, namespace, tmp_path_factory.mktemp("access")), namespace)
    yield world, running.port
    running.kill()
    rights.take(cluster, namespace)
    delete_namespace(cluster, namespace)


@pytest.fixture
def door(cluster: Cluster, open_for_all: tuple[World, int]) -> Iterator[Door]:
    world, port = open_for_all
    made = Door(world, cluster, port)
    yield made
    made.leave()


def test_a_pod_of_the_router_is_let_in(door: Door) -> None:
    assert [door.knock(token_of(door.world, pod)) for pod in pods(door.world)] == [200, 200]


def test_no_token_and_nonsense(door: Door) -> None:
    assert [door.knock(token) for token in ("nonsense", "a.b.c")] == [401, 401]


def test_a_wrong_audience(door: Door) -> None:
    assert door.knock(token_of(door.world, door.pod, "https://kubernetes.default.svc")) == 401


def test_a_token_of_no_pod(door: Door) -> None:
    assert door.knock(door.world.api.token("chat-router", door.world.namespace, AUDIENCE)) == 403


def test_a_foreign_namespace(door: Door) -> None:
    """With a copy of all that the router is at home."""
    world, foreign = door.world, create_namespace(door.cluster)
    try:
        for version, kind in (("v1", "ServiceAccount"), ("apps/v1", "Deployment")):
            copied = world.child(version, kind)
            labels = copied["metadata"]["labels"]
            metadata = {"metadata": {"name": "chat-router", "labels": labels}}
            world.api.create({key: value for key, value in copied.items() if key != "status"} | metadata, foreign)
        pod = eventually(lambda: world.api.list("v1", "Pod", foreign)[0])
        assert door.knock(token_of(world, pod)) == 403
    finally:
        delete_namespace(door.cluster, foreign)


def test_a_foreign_service_account(door: Door) -> None:
    """Anybody who may make pods may say that the router's ReplicaSet owns his."""
    if door.cluster.control_plane is None or not door.cluster.controllers:
        pytest.skip("the controllers of an existing cluster cannot be stopped, and would delete one pod too many")
    controllers = door.cluster.control_plane.components["kube-controller-manager"]
    controllers.stop()
    try:
        owners = door.pod["metadata"]["ownerReferences"]
        theirs = door.create({"metadata": {"ownerReferences": owners}, "spec": {"serviceAccountName": "default"}})
        assert door.knock(token_of(door.world, theirs)) == 403
    finally:
        controllers.start()


def test_a_deleted_pod(door: Door) -> None:
    token = token_of(door.world, door.pod)
    path = f"/api/v1/namespaces/{door.world.namespace}/pods/{door.pod['metadata']['name']}"
    door.world.api.call("DELETE", path, gracePeriodSeconds=0)
    assert door.knock(token) == 401


async def test_a_pod_that_is_deleted_later(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream asks again now and then."""
    world = door.world
    monkeypatch.setenv("KUBECONFIG", str(door.cluster.kubeconfig))
    client = Client(Access())
    try:
        children = Store(lambda *_: None)
        children.changed(CONFIG_MAPS, "ADDED", world.child("v1", "ConfigMap"))
        children.changed(DEPLOYMENTS, "ADDED", world.child("apps/v1", "Deployment"))
        identity = PodIdentity(client, children, "signalbox:test", lambda *_: None)
        peer = await identity.identify(token_of(world, door.pod))
        assert (peer.router, peer.pod) == (Router(world.namespace, "chat-router"), door.pod["metadata"]["name"])
        assert time.time() < peer.expires <= time.time() + 600
        await identity.verify(peer)
        world.api.delete("v1", "Pod", peer.pod, world.namespace, gracePeriodSeconds=0)
        with pytest.raises(Refused, match="is gone"):
            await identity.verify(peer)
    finally:
        await client.close()


@pytest.mark.parametrize(
    "pod",
    [
        {"metadata": {"annotations": {"signalbox.dev/inject": "chat", "signalbox.dev/injected": "true"}}},
        {"metadata": {"labels": {"signalbox.dev/inject": "chat"}}},
        {
            "metadata": {"labels": {"signalbox.dev/inject": "chat"}, "annotations": {"signalbox.dev/injected": "true"}},
            "spec": {"initContainers": [{**INJECTED, "image": "theirs:latest"}]},
        },
        {
            "metadata": {"labels": {"signalbox.dev/inject": "chat"}},
            "spec": {"initContainers": [{"name": "signalbox-router", "image": "signalbox:test"}]},
        },
        {"metadata": {"labels": {"signalbox.dev/inject": "nobody"}}, "spec": {"initContainers": [INJECTED]}},
        {"metadata": {"labels": {"signalbox.dev/inject": "chat"}}, "spec": {"initContainers": [INJECTED]}},
    ],
    ids=["annotation", "label", "image", "no sidecar", "unknown policy", "policy without sidecars"],
)
def test_what_anybody_may_write_proves_nothing(door: Door, pod: Object) -> None:
    assert door.knock(token_of(door.world, door.create(pod))) == 403


def test_an_injected_pod_is_let_in_for_its_policy(door: Door) -> None:
    """Whatever ServiceAccount it has: anybody's pod may be injected."""
    door.world.apply(policy("inside", model="other", router={"sidecar": {}}))
    eventually(lambda: door.world.child("v1", "ConfigMap", "inside-router"))
    labels = {"app.kubernetes.io/instance": "x", "signalbox.dev/inject": "inside"}
    spec = {"initContainers": [INJECTED], "serviceAccountName": "default"}
    pod = door.create({"metadata": {"labels": labels}, "spec": spec})
    eventually(lambda: door.knock(token_of(door.world, pod)) == 200)


def test_a_deployment_of_somebody_else(door: Door) -> None:
    labels = door.pod["metadata"]["labels"] | {"app": "theirs"}
    spec = {"selector": {"matchLabels": {"app": "theirs"}}, "template": {"metadata": {"labels": labels}, "spec": POD}}
    theirs = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "theirs", "labels": labels}}
    door.world.apply({**theirs, "spec": spec})
    pod = eventually(lambda: door.world.api.list("v1", "Pod", door.world.namespace, labelSelector="app=theirs")[0])
    assert door.knock(token_of(door.world, pod)) == 403
    door.world.api.delete("apps/v1", "Deployment", "theirs", door.world.namespace, propagationPolicy="Background")


def test_an_expired_token(door: Door) -> None:
    """No API server gives out one that expires soon: it is signed here, with the key that the cluster was given."""
    if door.cluster.control_plane is None:
        pytest.skip("an existing cluster does not show the key that it signs tokens with")
    private = load_pem_private_key((door.cluster.control_plane.pki / "service-accounts.key").read_bytes(), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    header, claims, _ = token_of(door.world, door.pod).split(".")
    now = int(time.time())
    assert door.knock(signed(private, header, claims, iat=now - 50, nbf=now - 50, exp=now + 600)) == 200
    assert door.knock(signed(private, header, claims, iat=now - 700, nbf=now - 700, exp=now - 100)) == 401


def signed(key: rsa.RSAPrivateKey, header: str, claims: str, **times: int) -> str:
    payload: Any = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4))) | times
    text = f"{header}.{base64.urlsafe_b64encode(json.dumps(payload).encode()).decode().rstrip('=')}"
    signature = key.sign(text.encode(), padding.PKCS1v15(), SHA256())
    return f"{text}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"
