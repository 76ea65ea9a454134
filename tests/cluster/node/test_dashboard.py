"""The way to the page of an operator that runs as pods: kubectl port-forward to the one that leads."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cluster.running import Cluster
from cluster.waiting import eventually

pytestmark = pytest.mark.node


@pytest.fixture
def dashboard(cluster: Cluster, installed: str) -> Iterator[str]:
    """Its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with subprocess.Popen(
        [sys.executable, "-m", "signalbox.cli", "dashboard", "-n", installed, "--port", port, "--no-open"],
        env={**os.environ, "KUBECONFIG": str(cluster.kubeconfig), "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        found = re.match(r"(http://127\.0\.0\.1:\d+/)  \(pod (\S+) leads", said)
        assert found, said + process.stdout.read()
        yield found[1]
        process.terminate()


def test_the_page_is_that_of_whoever_leads(cluster: Cluster, installed: str, dashboard: str) -> None:
    said = httpx.get(f"{dashboard}view", trust_env=False).json()
    leader = said["who"]["name"]
    assert said["who"] == {"kind": "operator", "name": leader, "leads": True, "leader": leader}
    pod = cluster.api.get("v1", "Pod", leader, installed)
    assert httpx.get(dashboard, trust_env=False).status_code == 200
    with pytest.raises(httpx.TransportError):  # by its address it is not to be had
        httpx.get(f"http://{pod['status']['podIP']}:8090/", trust_env=False)

    cluster.api.delete("v1", "Pod", leader, installed)

    def another() -> bool:
        try:
            who = httpx.get(f"{dashboard}view", trust_env=False).json()["who"]
        except httpx.TransportError:
            return False
        return bool(who["leads"] and who["name"] != leader)

    assert eventually(another, 90)
