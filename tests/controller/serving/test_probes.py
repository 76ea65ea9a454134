"""Probes on a real API server: ready means that everything could be listed."""

import asyncio
import socket
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from connected import StreamingOperator
from faulty import Fault, Proxy
from world import API, OperatorProcess, World, backend, eventually, policy

from cluster import kubeconfig, rights
from cluster.running import Cluster

RULES = [
    {"apiGroups": ["signalbox.dev"], "resources": ["*"], "verbs": ["*"]},
    {"apiGroups": [""], "resources": ["services", "configmaps", "serviceaccounts"], "verbs": ["*"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["*"]},
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["policy"], "resources": ["poddisruptionbudgets"], "verbs": ["*"]},
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["*"]},
]
SECRETS = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["*"]}


class Probes:
    """One operator's ``--probes``."""

    def __init__(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{taken.getsockname()[1]}"

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://{self.address}/{path}") as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


@pytest.fixture
def probes() -> Probes:
    return Probes()


def test_an_operator_that_knows_everything_is_ready(world: World, access: Path, namespace: str, probes: Probes) -> None:
    operator = OperatorProcess(access, namespace, "--probes", probes.address)
    try:
        eventually(lambda: probes.get("readyz") == (200, "ok\n"))
        assert probes.get("healthz") == (200, "ok\n")
    finally:
        operator.kill()


@pytest.fixture
def stranger(world: World, cluster: Cluster, namespace: str, tmp_path: Path) -> Cluster:
    """The cluster as a ServiceAccount sees it that may neither read Secrets nor write Events."""
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "op"}, "rules": RULES}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "op"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "op"},
        "subjects": [{"kind": "ServiceAccount", "name": "op", "namespace": namespace}],
    }
    world.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "op"}}, role, binding)
    token = world.api.token("op", namespace)
    access = kubeconfig.read(cluster.kubeconfig)
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "c", "cluster": {"server": cluster.server, "certificate-authority": str(access.ca)}},
        ],
        "users": [{"name": "op", "user": {"token": token}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "op"}}],
        "current-context": "c",
    }
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(content))
    return replace(cluster, kubeconfig=file)


def test_missing_rights_are_named_and_waited_for(
    world: World, stranger: Cluster, namespace: str, probes: Probes
) -> None:
    operator = OperatorProcess(stranger.kubeconfig, namespace, "--probes", probes.address)
    try:
        eventually(lambda: "cannot list secrets in namespace" in probes.get("readyz")[1])
        status, text = probes.get("readyz")
        assert status == 503
        assert 'grant list and watch on secrets (apiGroup "") to the operator by a Role' in text
        eventually(lambda: "configmaps" not in probes.get("readyz")[1])  # that may be read, and is
        assert probes.get("healthz")[0] == 200
        world.apply(backend(), policy(when="query.char > 1"))
        assert operator.process.poll() is None
        role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "op"}}
        world.apply(role | {"rules": [*RULES, SECRETS]})
        eventually(lambda: probes.get("readyz") == (200, "ok\n"))
        eventually(lambda: world.conditions("ModelBackend", "a"))
        # That it may not write Events keeps it from nothing.
        eventually(lambda: world.conditions("RoutingPolicy", "chat").get("Accepted") == ("False", "InvalidExpression"))
        assert operator.process.poll() is None
    finally:
        operator.kill()


# What each replica reads, and what the leader reads beside.
READ = (
    "modelbackends in",
    "routingpolicies in",
    "services in",
    "endpointslices in",
    "secrets in",
    "configmaps in",
    "pods in",
    "serviceaccounts in",
    "deployments in",
    "poddisruptionbudgets in",
    "secrets/signalbox-tls in",
    "leases/signalbox-operator in",
)
LED = ("endpointslices/signalbox-leader in", "mutatingwebhookconfigurations/")


def test_every_right_that_is_missing_is_named(
    cluster: Cluster, world: World, access: Path, namespace: str, probes: Probes
) -> None:
    """From no rights at all to those of the chart, and one that is taken away again."""
    roles = [each for each in rights.rendered(namespace) if each["kind"] in {"Role", "ClusterRole"}]
    for role in roles:
        cluster.api.apply(role | {"rules": []})
    account = rights.account_of(namespace)
    operator = StreamingOperator(access, namespace, "--probes", probes.address, "--webhook", account)
    unready = Unready(probes, operator)
    try:
        eventually(lambda: unready.names(*READ))
        lease = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["*"]}
        owner = {"apiGroups": [""], "resources": ["services"], "verbs": ["get"]}
        leader = next(role for role in roles if role["metadata"]["name"].endswith("-leader"))
        cluster.api.apply(leader | {"rules": [lease, owner]})
        eventually(lambda: unready.names(*LED))
        assert not unready.names("leases/")
        for role in roles:
            cluster.api.apply(role)
        eventually(lambda: probes.get("readyz") == (200, "ok\n"), 60.0)

        team = next(role for role in roles if role["metadata"]["name"] == account and role["kind"] == "Role")
        less = [rule for rule in team["rules"] if "deployments" not in rule["resources"]]
        reading = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list", "watch"]}
        cluster.api.apply(team | {"rules": [*less, reading]})
        world.apply(backend(), policy())
        eventually(lambda: world.conditions("RoutingPolicy", "chat")["Programmed"] == ("False", "ApplyFailed"))
        conditions = world.api.get(API, "RoutingPolicy", "chat", namespace)["status"]["conditions"]
        said = next(each["message"] for each in conditions if each["type"] == "Programmed")
        assert "deployments.apps is forbidden" in said
        cluster.api.apply(team)
        eventually(lambda: world.child("apps/v1", "Deployment"))
        eventually(lambda: world.conditions("RoutingPolicy", "chat")["Programmed"] == ("False", "Rollout"))
        assert operator.process.poll() is None
    finally:
        operator.kill()


class Unready:
    """An operator that lives and says what it lacks."""

    def __init__(self, probes: Probes, operator: OperatorProcess) -> None:
        self._probes, self._operator = probes, operator

    def names(self, *kinds: str) -> bool:
        assert self._operator.process.poll() is None
        assert self._probes.get("healthz") == (200, "ok\n")
        status, text = self._probes.get("readyz")
        lines = text.splitlines()
        said = {
            kind: [line for line in lines if line.startswith(("cannot list " + kind, "cannot get " + kind))]
            for kind in kinds
        }
        return status == 503 and all(len(each) == 1 and "; grant " in each[0] for each in said.values())


async def test_a_kind_that_comes_late(
    world: World, proxy: Proxy, namespace: str, probes: Probes, tmp_path: Path
) -> None:
    """The CRD of the policies is not there yet, as far as this operator can see."""
    absent = Fault(lambda request: "routingpolicies" in request.path, status=404, reason="NotFound", times=1_000_000)
    proxy.faults.append(absent)
    file = proxy.kubeconfig(tmp_path / "kubeconfig")
    operator = await asyncio.to_thread(OperatorProcess, file, namespace, "--probes", probes.address)
    try:
        await asyncio.to_thread(eventually, lambda: "cannot list routingpolicies" in probes.get("readyz")[1])
        status, text = await asyncio.to_thread(probes.get, "readyz")
        assert status == 503
        assert "install the CustomResourceDefinition routingpolicies.signalbox.dev" in text
        assert (await asyncio.to_thread(probes.get, "healthz"))[0] == 200
        assert operator.process.poll() is None
        absent.times = 0
        await asyncio.to_thread(eventually, lambda: probes.get("readyz") == (200, "ok\n"))
        await asyncio.to_thread(world.apply, backend(), policy())
        await asyncio.to_thread(eventually, lambda: world.child("v1", "ConfigMap"))
    finally:
        operator.kill()
