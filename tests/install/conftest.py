"""A cluster in which nothing is installed, for the tests of this directory."""

import os
from collections.abc import Iterator

import pytest

from cluster import programs
from cluster.build import Say
from cluster.controlplane import ControlPlane
from cluster.running import Cluster, connected
from cluster.workdir import Workdir


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
            with connected(
                plane.kubeconfig, crds=False, controllers="kube-controller-manager" in plane.components
            ) as found:
                yield found
        finally:
            plane.stop()
    finally:
        workdir.remove(keep_logs=False)
