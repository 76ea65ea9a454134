"""Pods run as on any cluster: what the operator makes there, it makes for real."""

import json
import os
import subprocess
import sys
import tarfile
import time
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

import httpx
import pytest

from cluster import workdir
from cluster.kubectl import kubectl
from cluster.namespaces import create_namespace, delete_namespace
from cluster.node import cgroups, images, outside
from cluster.node.outside import Enclosure
from cluster.running import Cluster
from cluster.waiting import eventually

pytestmark = pytest.mark.node
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Any:
    """One namespace for the module, held to the restricted profile, with the Deployment rolled out."""
    name = create_namespace(cluster, **{"pod-security.kubernetes.io/enforce": "restricted"})
    kubectl(cluster, "apply", "-n", name, "-f", HERE / "rollout.yaml")
    kubectl(cluster, "rollout", "status", "deployment/web", "-n", name, "--timeout=60s")
    yield name
    delete_namespace(cluster, name)


def pods(cluster: Cluster, namespace: str) -> list[dict[str, Any]]:
    return cluster.api.list("v1", "Pod", namespace, labelSelector="app=web")


def test_the_deployment_is_rolled_out(cluster: Cluster, namespace: str) -> None:
    status = cluster.api.get("apps/v1", "Deployment", "web", namespace)["status"]
    assert status["readyReplicas"] == status["updatedReplicas"] == 2
    for pod in pods(cluster, namespace):
        assert all(each["ready"] for each in pod["status"]["containerStatuses"])
        (sidecar,) = pod["status"]["initContainerStatuses"]
        assert sidecar["started"]
        assert sidecar["ready"]


def test_the_service_has_an_address_that_answers(cluster: Cluster, namespace: str) -> None:
    address = cluster.api.get("v1", "Service", "web", namespace)["spec"]["clusterIP"]

    def answers() -> bool:
        try:
            return httpx.get(f"http://{address}/", trust_env=False, timeout=10).text == "first"
        except httpx.ConnectError:  # refused until kube-proxy has written the rules
            return False

    assert eventually(answers)


def test_pods_find_services_by_name(cluster: Cluster, namespace: str) -> None:
    for host in ("web", f"web.{namespace}", f"web.{namespace}.svc.cluster.local"):
        script = f"import urllib.request as r; print(r.urlopen('http://{host}/', timeout=10).read().decode())"
        done = kubectl(cluster, "exec", "-n", namespace, "deploy/web", "-c", "web", "--", "python3", "-c", script)
        assert done.stdout.strip() == "first"


def test_pods_reach_the_api_server_and_trust_it(cluster: Cluster, namespace: str) -> None:
    script = (
        "import ssl, urllib.request as r; ca = '/var/run/secrets/kubernetes.io/serviceaccount/ca.crt';"
        "c = ssl.create_default_context(cafile=ca);"
        "print(r.urlopen('https://kubernetes.default.svc/version', context=c, timeout=10).status)"
    )
    done = kubectl(cluster, "exec", "-n", namespace, "deploy/web", "-c", "web", "--", "python3", "-c", script)
    assert done.stdout.strip() == "200"


def test_a_projected_token_names_pod_and_audience(cluster: Cluster, namespace: str) -> None:
    pod = pods(cluster, namespace)[0]
    token = httpx.get(f"http://{pod['status']['podIP']}:8081/token", trust_env=False, timeout=10).text
    payload = token.split(".")[1]
    claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["aud"] == ["signalbox.dev/control"]
    assert claims["kubernetes.io"]["pod"]["uid"] == pod["metadata"]["uid"]


def test_logs_come_through_the_kubelet(cluster: Cluster, namespace: str) -> None:
    assert "GET / HTTP" in kubectl(cluster, "logs", "-n", namespace, "deploy/web", "-c", "web").stdout


def test_a_pod_that_was_killed_comes_back(cluster: Cluster, namespace: str) -> None:
    before = {pod["metadata"]["uid"] for pod in pods(cluster, namespace)}
    name = pods(cluster, namespace)[0]["metadata"]["name"]
    kubectl(cluster, "delete", "pod", "-n", namespace, name, "--wait=true")
    kubectl(cluster, "rollout", "status", "deployment/web", "-n", namespace, "--timeout=60s")
    assert {pod["metadata"]["uid"] for pod in pods(cluster, namespace)} != before


def test_an_image_of_our_own_is_loaded_and_runs(
    cluster: Cluster, enclosure: Enclosure, namespace: str, tmp_path: Path
) -> None:
    layer, archive = tmp_path / "layer.tar", tmp_path / "image.tar"
    program = images.build.pause(print)
    with tarfile.open(layer, "w") as tar:
        tar.add(program, "bin/own", filter=lambda info: info.replace(mode=0o755, deep=False))
    images.write(archive, "localhost/own:7", layer, ["/bin/own"])
    enclosure.load(archive)
    run = ("run", "own", "--image=localhost/own:7", "--image-pull-policy=Never", "-n", "default")
    kubectl(cluster, *run)
    kubectl(cluster, "wait", "--for=condition=Ready", "pod/own", "-n", "default", "--timeout=30s")
    kubectl(cluster, "delete", "pod", "own", "-n", "default", "--now")


def test_a_killed_run_leaves_nothing(enclosure: Enclosure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second cluster beside the first, whose run is killed: no process is left, the next start sweeps the rest."""
    script = (
        "import sys, time\nfrom cluster.node import outside\n"
        "found = outside.start(lambda text: None)\nprint(found.pid, found.workdir.path, flush=True)\ntime.sleep(600)"
    )
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1]), "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment) as run:
        assert run.stdout
        pid, place = run.stdout.readline().split()
        assert processes(place)
        run.kill()
    assert eventually(lambda: processes(place) == [] and outside.zombie(int(pid)))
    time.sleep(workdir.SETTLED_SECONDS)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    outside.sweep()
    assert list(tmp_path.iterdir()) == []
    groups = {group.name for hierarchy in cgroups.hierarchies() for group in hierarchy.iterdir() if group.is_dir()}
    assert Path(place).name not in groups
    assert enclosure.workdir.path.name in groups, "the other cluster keeps its own"


def processes(place: str) -> list[str]:
    """The processes of a cluster: all that name its directory, shims and containers included."""
    listed = subprocess.run(["ps", "-eww", "-o", "args="], check=True, capture_output=True, text=True).stdout
    return [line for line in listed.splitlines() if Path(place).name in line]
