"""The life of a release with a real Helm on a real API server: install, upgrade, rollback, uninstall."""

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from cluster.api import ApiError
from cluster.helm import CHART, helm
from cluster.kubectl import kubectl
from cluster.running import Cluster, served
from cluster.waiting import eventually

NAME = "signalbox"
WHERE = ("--namespace", NAME)
CRD = ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "modelbackends.signalbox.dev")
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


def test_an_upgrade_leaves_the_webhook_its_authority(bare: Cluster) -> None:
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
