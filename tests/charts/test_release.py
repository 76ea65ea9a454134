"""The life of a release with a real Helm on a real API server: install, upgrade, rollback, uninstall."""

import base64
import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml
from connected import StreamingOperator
from world import World, backend, eventually, policy

from charts.rendering import text
from cluster import kubeconfig
from cluster.api import ApiError
from cluster.helm import CHART, helm
from cluster.kubectl import kubectl
from cluster.running import Cluster, served

NAME = "signalbox"
WHERE = ("--namespace", NAME)
CRDS = ("modelbackends.signalbox.dev", "routingpolicies.signalbox.dev")
CRD = ("apiextensions.k8s.io/v1", "CustomResourceDefinition", CRDS[0])
OPERATORS_OWN = {"lease/signalbox-operator", "secret/signalbox-tls", "endpointslice/signalbox-leader"}
BACKEND = {
    "apiVersion": "signalbox.dev/v1alpha1",
    "kind": "ModelBackend",
    "metadata": {"name": "kept"},
    "spec": {"model": "m", "url": "https://api.example.com/v1"},
}


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """The chart as an earlier version might have been: without a field of the CRDs, and with fewer ports."""
    place = tmp_path / NAME
    shutil.copytree(CHART, place)
    chart = place / "Chart.yaml"
    chart.write_text(chart.read_text().replace("version: 0.1.0", "version: 0.0.9", 1))
    definition = place / "files" / "crds" / "modelbackends.signalbox.dev.yaml"
    crd = yaml.safe_load(definition.read_text())
    del spec_of(crd)["pricing"]
    definition.write_text(yaml.safe_dump(crd))
    return place


def spec_of(crd: dict[str, Any]) -> dict[str, Any]:
    """The fields of a spec."""
    found = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    assert isinstance(found, dict)
    return found


def revisions(cluster: Cluster) -> list[tuple[int, str]]:
    """Number and state of each."""
    history = json.loads(helm(cluster, "history", NAME, *WHERE, "--output", "json").stdout)
    return [(each["revision"], each["status"]) for each in history]


def test_the_life_of_a_release(bare: Cluster, earlier: Path) -> None:
    api = bare.api
    helm(bare, "install", NAME, earlier, *WHERE, "--create-namespace")
    assert "pricing" not in spec_of(api.get(*CRD))
    assert eventually(lambda: served(api, CRD[2]))
    kept = api.create(BACKEND, "default")

    helm(bare, "upgrade", NAME, CHART, *WHERE, "--set", "replicas=3")
    assert "pricing" in spec_of(api.get(*CRD)), "an upgrade brings the CRDs"
    assert api.get("apps/v1", "Deployment", NAME, NAME)["spec"]["replicas"] == 3
    assert revisions(bare) == [(1, "superseded"), (2, "deployed")]

    helm(bare, "rollback", NAME, "1", *WHERE)
    assert api.get("apps/v1", "Deployment", NAME, NAME)["spec"]["replicas"] == 2
    assert revisions(bare)[-1] == (3, "deployed")

    said = helm(bare, "uninstall", NAME, *WHERE)
    assert "modelbackends.signalbox.dev" in said.stdout + said.stderr, "it says what it keeps"
    left = api.get("signalbox.dev/v1alpha1", "ModelBackend", "kept", "default")
    assert left["metadata"]["uid"] == kept["metadata"]["uid"]
    with pytest.raises(ApiError, match="not found"):
        api.get("apps/v1", "Deployment", NAME, NAME)
    roles = [each["metadata"]["name"] for each in api.list("rbac.authorization.k8s.io/v1", "ClusterRole")]
    assert not [name for name in roles if name.startswith(NAME)]

    helm(bare, "install", NAME, CHART, *WHERE)
    assert "pricing" in spec_of(api.get(*CRD)), "installed again, it takes its CRDs over"
    helm(bare, "uninstall", NAME, *WHERE)

    another = ("install", "another", CHART, "--namespace", "elsewhere", "--create-namespace")
    refused = helm(bare, *another, check=False)
    assert "invalid ownership metadata" in refused.stderr, "they are those of the release before"
    helm(bare, *another, "--take-ownership")
    assert api.get(*CRD)["metadata"]["annotations"]["meta.helm.sh/release-namespace"] == "elsewhere"
    assert (
        api.get("signalbox.dev/v1alpha1", "ModelBackend", "kept", "default")["metadata"]["uid"]
        == left["metadata"]["uid"]
    )
    helm(bare, "uninstall", "another", "--namespace", "elsewhere")


@pytest.mark.parametrize("way", ["--server-side", "--server-side=false"])
def test_crds_that_were_applied_before_are_taken_over(bare: Cluster, earlier: Path, way: str) -> None:
    """Older ones, too, by whatever kind of apply: what the chart says of them wins."""
    kubectl(bare, "delete", "crd", "--ignore-not-found", *CRDS)
    kubectl(bare, "apply", way, "-f", earlier / "files" / "crds")
    install = ("install", NAME, CHART, *WHERE, "--create-namespace")
    assert "invalid ownership metadata" in helm(bare, *install, check=False).stderr
    assert "conflict" in helm(bare, *install, "--take-ownership", check=False).stderr
    helm(bare, "uninstall", NAME, *WHERE)
    helm(bare, *install, "--take-ownership", "--force-conflicts")
    assert "pricing" in spec_of(bare.api.get(*CRD))
    helm(bare, "uninstall", NAME, *WHERE)
    assert bare.api.get(*CRD)["metadata"]["name"] == CRD[2], "it stays"


def test_routers_stay_and_nothing_else(bare: Cluster, tmp_path: Path) -> None:
    """Also what the operator made for itself goes with the release, although one still runs then."""
    bare.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAME}})
    assert eventually(lambda: "configmap/kube-root-ca.crt" in found(bare))
    before = found(bare)
    helm(bare, "upgrade", "--install", NAME, CHART, *WHERE, "--set", f"namespaces={{{NAME}}}")
    assert bare.ca
    token = bare.api.token(NAME, NAME)
    access = kubeconfig.write(tmp_path / "operator.kubeconfig", bare.server, bare.ca, NAME, token=token)
    operator = StreamingOperator(access, NAME, "--webhook", NAME)
    try:
        assert eventually(lambda: found(bare) >= OPERATORS_OWN)
        World(bare, NAME).apply(backend(), policy())
        router = eventually(lambda: bare.api.get("apps/v1", "Deployment", "chat-router", NAME))
        helm(bare, "uninstall", NAME, *WHERE)
        assert eventually(lambda: not OPERATORS_OWN & found(bare))
    finally:
        operator.kill()
    assert eventually(lambda: {name for name in found(bare) if "/chat" not in name} == before | {"modelbackend/a"})
    left = bare.api.get("apps/v1", "Deployment", "chat-router", NAME)
    assert left["metadata"]["uid"] == router["metadata"]["uid"]
    assert "deletionTimestamp" not in left["metadata"]


def found(cluster: Cluster) -> set[str]:
    """Kind and name of all that is in the release's namespace, but for what comes and goes by itself."""
    names = kubectl(cluster, "get", kinds(cluster), "--namespace", NAME, "--output=name").stdout.split()
    return {f"{kind.partition('.')[0]}/{name}" for kind, _, name in (each.partition("/") for each in names)}


@cache
def kinds(cluster: Cluster) -> str:
    listed = kubectl(cluster, "api-resources", "--namespaced", "--verbs=list", "--output=name").stdout.split()
    return ",".join(kind for kind in listed if not kind.startswith(("events", "pods", "replicasets")))


def test_nobody_takes_the_webhooks_authority_for_a_drift(bare: Cluster, tmp_path: Path) -> None:
    """It is the operator's to write: a chart that knew of it would take it away."""
    kind = ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration")
    helm(bare, "upgrade", "--install", NAME, CHART, *WHERE, "--create-namespace")
    bundle = base64.b64encode(trustme.CA().cert_pem.bytes()).decode()
    webhook = {"name": "inject.signalbox.dev", "clientConfig": {"caBundle": bundle}}
    bare.api.apply({"apiVersion": kind[0], "kind": kind[1], "metadata": {"name": NAME}, "webhooks": [webhook]})
    helm(bare, "upgrade", NAME, CHART, *WHERE, "--set", "webhook.failurePolicy=Fail")
    (found,) = bare.api.get(*kind, NAME)["webhooks"]
    assert found["failurePolicy"] == "Fail"
    assert found["clientConfig"]["caBundle"] == bundle

    manifests = tmp_path / "manifests.yaml"
    manifests.write_text(text("webhook: {failurePolicy: Fail}"))
    as_argo_cd = ("--server-side", "--force-conflicts", "--field-manager=argocd-controller", "-f", manifests)
    kubectl(bare, "diff", *as_argo_cd)  # says by its exit code that there is none
    kubectl(bare, "apply", *as_argo_cd)
    assert bare.api.get(*kind, NAME)["webhooks"] == [found]
    helm(bare, "uninstall", NAME, *WHERE)


def test_users_get_rights_by_the_roles_that_they_have(bare: Cluster) -> None:
    helm(bare, "upgrade", "--install", NAME, CHART, *WHERE, "--create-namespace")

    def may(role: str, verb: str, resource: str) -> bool:
        rules = bare.api.get("rbac.authorization.k8s.io/v1", "ClusterRole", role)["rules"] or []
        return any(
            "signalbox.dev" in rule["apiGroups"] and resource in rule["resources"] and verb in rule["verbs"]
            for rule in rules
        )

    assert eventually(lambda: all(may(role, "get", "routingpolicies") for role in ("view", "edit", "admin")))
    assert eventually(lambda: all(may(role, "patch", "modelbackends") for role in ("edit", "admin")))
    assert not may("view", "patch", "modelbackends")
    assert not may("admin", "patch", "modelbackends/status")
    helm(bare, "uninstall", NAME, *WHERE)


def test_namespaced_mode_gives_no_rights_elsewhere(bare: Cluster) -> None:
    for name in ("team-a", "team-b"):
        bare.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    helm(bare, "upgrade", "--install", NAME, CHART, *WHERE, "--create-namespace", "--set", "namespaces={team-a}")
    user = f"--as=system:serviceaccount:{NAME}:{NAME}"

    def may(*what: str) -> bool:
        return kubectl(bare, "auth", "can-i", *what, user, check=False).stdout.strip() == "yes"

    assert may("list", "secrets", "-n", "team-a")
    assert not may("list", "secrets", "-n", "team-b")
    assert not may("list", "secrets", "-n", NAME)
    assert not may("get", "pods", "-n", "team-b")
    assert may("create", "tokenreviews.authentication.k8s.io")
    helm(bare, "uninstall", NAME, *WHERE)
