"""A real API server takes all that the chart renders, without a warning, in a namespace of restricted pods."""

import subprocess
from pathlib import Path

import pytest

from charts.rendering import VALUES, text
from cluster.kubectl import kubectl
from cluster.running import Cluster


def applied(cluster: Cluster, place: Path, manifests: str) -> subprocess.CompletedProcess[str]:
    """What the server would say: it is to change nothing, for CRDs and cluster roles belong to all tests."""
    file = place / "manifests.yaml"
    file.write_text(manifests)
    return kubectl(
        cluster, "apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", file
    )


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_the_server_takes_it_without_a_warning(cluster: Cluster, namespace: str, tmp_path: Path, values: str) -> None:
    for level in ("enforce", "warn"):
        kubectl(cluster, "label", "namespace", namespace, f"pod-security.kubernetes.io/{level}=restricted")
    assert applied(cluster, tmp_path, text(values, namespace=namespace)).stderr == ""


def test_pods_that_are_not_restricted_are_warned_of(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """Else the test above would see nothing."""
    kubectl(cluster, "label", "namespace", namespace, "pod-security.kubernetes.io/warn=restricted")
    bad = text("{}", namespace=namespace).replace("runAsNonRoot: true", "runAsNonRoot: false")
    assert "would violate PodSecurity" in applied(cluster, tmp_path, bad).stderr
