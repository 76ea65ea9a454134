"""Releases of the chart in the tests' common cluster, each in a namespace of its own and named like that; and a cluster
in which nothing is installed."""

import os
from collections.abc import Iterator

import pytest
import yaml

from cluster import programs
from cluster.api import ApiError
from cluster.build import HERE, Say
from cluster.controlplane import ControlPlane
from cluster.golang import sources
from cluster.release import Release
from cluster.running import Cluster, connected, served
from cluster.waiting import eventually
from cluster.workdir import Workdir

PROMETHEUS = "github.com/prometheus-operator/prometheus-operator"
KINDS = ("podmonitors", "prometheusrules")
DEFINITION = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")


@pytest.fixture
def release(cluster: Cluster, namespace: str) -> Iterator[Release]:
    """A release that can be installed, and is gone after the test."""
    found = Release(cluster, namespace)
    yield found
    found.uninstall()


@pytest.fixture(scope="module")
def bare(say: Say) -> Iterator[Cluster]:
    """A control plane of the module's own: without CRDs, and nobody minds what becomes of it."""
    if os.environ.get("KUBECONFIG"):
        pytest.skip("an existing cluster is not to be installed in, and emptied")
    workdir = Workdir()
    try:
        plane = ControlPlane(programs.find(say), workdir)
        plane.start()
        try:
            controllers = "kube-controller-manager" in plane.components
            with connected(plane.kubeconfig, crds=False, controllers=controllers) as found:
                yield found
        finally:
            plane.stop()
    finally:
        workdir.remove(keep_logs=False)


@pytest.fixture
def pod_monitors(cluster: Cluster, say: Say) -> Iterator[None]:
    """The API of the Prometheus operator: its own definitions of PodMonitor and PrometheusRule."""
    if os.environ.get("KUBECONFIG"):
        pytest.skip("an existing cluster gets no APIs of others")
    folder = sources(HERE / "monitoring", PROMETHEUS, say) / "example" / "prometheus-operator-crd"
    names = [f"{kind}.monitoring.coreos.com" for kind in KINDS]
    for kind in KINDS:
        cluster.api.apply(yaml.safe_load((folder / f"monitoring.coreos.com_{kind}.yaml").read_text()))
    assert eventually(lambda: all(served(cluster.api, name) for name in names))
    yield
    for name in names:
        cluster.api.delete(*DEFINITION, name)
    assert eventually(lambda: not any(exists(cluster, name) for name in names))


def exists(cluster: Cluster, name: str) -> bool:
    try:
        cluster.api.get(*DEFINITION, name)
    except ApiError as error:
        if error.code != 404:
            raise
        return False
    return True
