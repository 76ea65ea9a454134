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
POD_MONITORS = ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "podmonitors.monitoring.coreos.com")


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
    """The API of the Prometheus operator: its own definition of PodMonitor."""
    if os.environ.get("KUBECONFIG"):
        pytest.skip("an existing cluster gets no APIs of others")
    folder = sources(HERE / "monitoring", PROMETHEUS, say) / "example" / "prometheus-operator-crd"
    cluster.api.apply(yaml.safe_load((folder / "monitoring.coreos.com_podmonitors.yaml").read_text()))
    assert eventually(lambda: served(cluster.api, POD_MONITORS[2]))
    yield
    cluster.api.delete(*POD_MONITORS)
    assert eventually(lambda: not exists(cluster))


def exists(cluster: Cluster) -> bool:
    try:
        cluster.api.get(*POD_MONITORS)
    except ApiError as error:
        if error.code != 404:
            raise
        return False
    return True
