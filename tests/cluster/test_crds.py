"""A real API server takes the CRDs, and the examples as they stand."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from schemas import defaulted

from cluster.kubectl import kubectl
from cluster.running import CRDS, Cluster, apply_crds
from signalbox.api import ModelBackend, RoutingPolicy
from signalbox.api.crd import structural

EXAMPLES = CRDS.parent / "manifests" / "examples"
FILES = sorted(file for file in EXAMPLES.rglob("*.yaml") if file.parent.name != "sim")
CRD = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
KINDS = {"ModelBackend": ModelBackend, "RoutingPolicy": RoutingPolicy}
VERSION = "signalbox.dev/v1alpha1"


@pytest.fixture(params=sorted(file.stem for file in CRDS.glob("*.yaml")))
def crd(cluster: Cluster, request: pytest.FixtureRequest) -> dict[str, Any]:
    """A CRD as the API server has it."""
    return cluster.api.get(*CRD, request.param)


def test_established(crd: dict[str, Any]) -> None:
    conditions = {each["type"]: each["status"] for each in crd["status"]["conditions"]}
    assert conditions["NamesAccepted"] == "True"
    assert conditions["Established"] == "True"
    assert conditions.get("NonStructuralSchema", "False") == "False"


def test_the_server_changes_nothing_in_a_definition(crd: dict[str, Any]) -> None:
    """Otherwise tools that compare would see a drift for ever."""
    written = yaml.safe_load((CRDS / f"{crd['metadata']['name']}.yaml").read_text())
    assert crd["spec"].pop("conversion") == {"strategy": "None"}
    assert crd["spec"] == written["spec"]


def test_applied_again_nothing_is_written(cluster: Cluster, crd: dict[str, Any]) -> None:
    apply_crds(cluster.api)
    again = cluster.api.get(*CRD, crd["metadata"]["name"])
    assert again["metadata"]["resourceVersion"] == crd["metadata"]["resourceVersion"]


@pytest.mark.parametrize("way", ["--server-side", "--server-side=false"])
@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(EXAMPLES)))
def test_examples_stand_as_they_are_applied(cluster: Cluster, namespace: str, file: Path, way: str) -> None:
    """The API server adds the documented defaults and changes nothing; applied again, nothing is written."""
    apply = ("apply", way, "--validate=strict", "-n", namespace, "-f", file)
    assert "Warning" not in kubectl(cluster, *apply).stderr
    written = [each for each in yaml.safe_load_all(file.read_text()) if each]
    stored = [stored_as(cluster, each, namespace) for each in written]
    for one, other in zip(written, stored, strict=True):
        if one["kind"] in KINDS:
            spec = structural(KINDS[one["kind"]])["properties"]["spec"]
            assert other["spec"] == defaulted(spec, one["spec"])
    kubectl(cluster, "diff", way, "-n", namespace, "-f", file)
    kubectl(cluster, *apply)  # stores the status that says that nobody has seen it, which was a mere default so far
    stored = [stored_as(cluster, each, namespace) for each in written]
    kubectl(cluster, *apply)
    assert [stored_as(cluster, each, namespace) for each in written] == stored


@pytest.mark.parametrize(
    "before",
    [
        {"deployment": {"workers": 2, "service": {"type": "NodePort", "port": 80}}},
        {"deployment": {"replicas": 3, "resources": {"limits": {"cpu": 1}}}},
        {"sidecar": {"port": 15000}},
    ],
)
def test_a_router_can_be_applied_without_its_fields(cluster: Cluster, namespace: str, before: dict[str, Any]) -> None:
    """Which API servers make null of if each field is somebody's own."""
    (policy,) = yaml.safe_load_all((EXAMPLES / "demo" / "policy.yaml").read_text())
    for kind in ("deployment", "sidecar"):
        cluster.api.apply(policy | {"spec": policy["spec"] | {"router": before}}, namespace)
        after = cluster.api.apply(policy | {"spec": policy["spec"] | {"router": {kind: {}}}}, namespace)
        schema = structural(RoutingPolicy)["properties"]["spec"]["properties"]["router"]
        assert after["spec"]["router"] == defaulted(schema, {kind: {}})


def stored_as(cluster: Cluster, data: dict[str, Any], namespace: str) -> dict[str, Any]:
    return cluster.api.get(data["apiVersion"], data["kind"], data["metadata"]["name"], namespace)


@pytest.mark.parametrize(("kind", "short"), [("ModelBackend", "mb"), ("RoutingPolicy", "rp")])
def test_kubectl_knows_the_short_names_and_columns(cluster: Cluster, namespace: str, kind: str, short: str) -> None:
    kubectl(cluster, "apply", "-n", namespace, "-f", EXAMPLES / "canary")
    listed = kubectl(cluster, "get", short, "-n", namespace).stdout.splitlines()
    assert {"NAME", "READY", "REASON", "AGE"} <= set(listed[0].split())
    assert len(listed) == 1 + len(cluster.api.list(VERSION, kind, namespace))


def test_kubectl_lists_our_category(cluster: Cluster, namespace: str) -> None:
    kubectl(cluster, "apply", "-n", namespace, "-f", EXAMPLES / "canary")
    names = kubectl(cluster, "get", "signalbox", "-n", namespace, "-o", "name").stdout.split()
    assert {name.partition("/")[0] for name in names} == {
        "modelbackend.signalbox.dev",
        "routingpolicy.signalbox.dev",
    }


def test_kubectl_explains_fields(cluster: Cluster) -> None:
    explained = " ".join(kubectl(cluster, "explain", "routingpolicy.spec.routes.when").stdout.split())
    assert "A condition in CEL" in explained
