"""The examples for autoscalers: what the API servers of Kubernetes and KEDA say of them."""

import os
from collections.abc import Iterator
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from world import eventually

from cluster import build
from cluster.build import HERE, Say
from cluster.golang import sources
from cluster.kubectl import kubectl
from cluster.running import Cluster, served

FOLDER = HERE.parents[1] / "manifests" / "autoscaling"
KEDA = "github.com/kedacore/keda/v2"
DEFINITION = ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "scaledobjects.keda.sh")


@pytest.fixture
def keda(cluster: Cluster, say: Say) -> Iterator[None]:
    """Its own definition of ScaledObject."""
    if os.environ.get("KUBECONFIG"):
        pytest.skip("an existing cluster gets no APIs of others")
    folder = sources(HERE / "monitoring", KEDA, say) / "config" / "crd" / "bases"
    cluster.api.apply(yaml.safe_load((folder / "keda.sh_scaledobjects.yaml").read_text()))
    assert eventually(lambda: served(cluster.api, DEFINITION[2]))
    yield
    cluster.api.delete(*DEFINITION)


def applied(cluster: Cluster, namespace: str, file: Path) -> str:
    """What the server says; an unknown field is an error."""
    done = kubectl(cluster, "apply", "--namespace", namespace, "--dry-run=server", "--validate=strict", "-f", file)
    assert done.stderr == ""
    return done.stdout.strip()


def test_the_autoscaler_is_valid(cluster: Cluster, namespace: str) -> None:
    major_minor = ".".join(build.kubernetes_version().split(".")[:2])
    kubernetes_validate.validate(yaml.safe_load((FOLDER / "hpa.yaml").read_text()), f"{major_minor}.0", strict=True)
    said = applied(cluster, namespace, FOLDER / "hpa.yaml")
    assert said == "horizontalpodautoscaler.autoscaling/llama-8b created (server dry run)"


@pytest.mark.usefixtures("keda")
def test_the_scaled_object_is_valid(cluster: Cluster, namespace: str) -> None:
    assert applied(cluster, namespace, FOLDER / "keda.yaml") == "scaledobject.keda.sh/llama-8b created (server dry run)"


def test_all_ask_for_the_same_metric_and_the_same_use() -> None:
    found = {file.name: yaml.safe_load(file.read_text()) for file in FOLDER.glob("*.yaml")}
    (metric,) = found["hpa.yaml"]["spec"]["metrics"]
    (rule,) = found["prometheus-adapter.yaml"]["rules"]["external"]
    (trigger,) = found["keda.yaml"]["spec"]["triggers"]
    name = metric["external"]["metric"]["name"]
    assert rule["name"]["as"] == name == "signalbox_backend_demand_replicas"
    assert name in rule["seriesQuery"]
    assert name in trigger["metadata"]["query"]
    assert metric["external"]["target"]["averageValue"] == "800m"
    assert trigger["metadata"]["threshold"] == "0.8"
