"""signalbox dashboard: it finds who leads, or says clearly why there is no way there."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.running import Cluster
from signalbox.cli.main import SUMMARIES

BIN = Path(sys.executable).parent


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "signalbox.cli", "dashboard", "--no-open", *arguments]
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", **variables}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=60)


def lease(cluster: Cluster, namespace: str, holder: str) -> None:
    cluster.api.apply(
        {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"namespace": namespace, "name": "signalbox-operator"},
            "spec": {"holderIdentity": holder, "leaseDurationSeconds": 10},
        }
    )


def test_it_is_in_the_list_of_commands() -> None:
    assert "page" in SUMMARIES["dashboard"]


def test_without_kubectl_it_says_so(tmp_path: Path) -> None:
    done = run(PATH=str(tmp_path))
    assert done.returncode == 1
    assert "kubectl is not found" in done.stderr


def test_without_a_cluster_it_says_what_kubectl_says(tmp_path: Path) -> None:
    done = run(KUBECONFIG=str(tmp_path / "none"), HOME=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("Error: who leads is not known: ")
    assert "Traceback" not in done.stderr


def test_it_ends_whatever_kubectl_does(tmp_path: Path) -> None:
    kubectl = tmp_path / "kubectl"
    stubborn = "trap '' TERM; echo Forwarding; exec sleep 60"
    kubectl.write_text(f'#!/bin/sh\ncase "$*" in *port-forward*) {stubborn};; *) echo some-pod_0123456789;; esac\n')
    kubectl.chmod(0o755)
    command = [sys.executable, "-m", "signalbox.cli", "dashboard", "--no-open"]
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert "pod some-pod leads" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(30) == 0
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("holder", "message"),
    [
        (None, '"signalbox-operator" not found'),
        ("", "has no holder at the moment"),
        ("some-pod_0123456789", "the way to pod some-pod is closed: "),
    ],
)
def test_in_a_cluster_it_says_how_far_it_came(
    cluster: Cluster, namespace: str, holder: str | None, message: str
) -> None:
    if holder is not None:
        lease(cluster, namespace, holder)
    done = run("-n", namespace, KUBECONFIG=str(cluster.kubeconfig))
    assert done.returncode == 1
    assert message in done.stderr
