"""What a user meets after `helm install` on a real API server: the next steps, and metrics where they can be read."""

import base64
import re
from pathlib import Path

import pytest
from world import eventually

from cluster.api import Object
from cluster.kubectl import kubectl
from cluster.release import Release
from cluster.running import Cluster

MONITORING = "monitoring.coreos.com/v1"
KINDS = ("PodMonitor", "PodMonitor", "PodMonitor", "PrometheusRule")
MONITORED = (
    "monitoring.prometheusRules.enabled=true",
    "monitoring.prometheusRules.labels.release=prometheus",
    "podMonitor.labels.release=prometheus",
    "podMonitor.authorization.credentials.name=token",
    "podMonitor.authorization.credentials.key=token",
)


def test_the_notes_lead_to_a_policy(release: Release, cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """The manifests in them are taken as they are written, and all else is about what is there."""
    release.install()
    notes = release.notes()
    assert f"--namespace {namespace} rollout status deployment/{deployment(release)}" in notes
    (manifests,) = re.findall(r"<<'EOF'\n(.*?)\nEOF$", notes, re.DOTALL | re.MULTILINE)
    (tmp_path / "first.yaml").write_text(manifests)
    done = kubectl(cluster, "apply", "--validate=strict", "--namespace", namespace, "-f", tmp_path / "first.yaml")
    made = ["modelbackend.signalbox.dev/first created", "routingpolicy.signalbox.dev/first created"]
    assert done.stdout.splitlines() == made
    assert f"--namespace {namespace} --for=condition=Ready routingpolicy/first" in notes


def deployment(release: Release) -> str:
    """The name of the operator's."""
    (found,) = [each for each in release.manifests() if each["kind"] == "Deployment"]
    return str(found["metadata"]["name"])


def test_the_notes_say_what_is_left_to_do(release: Release) -> None:
    release.install("webhook.enabled=false")
    notes = release.notes()
    assert "signalbox.dev/inject" not in notes
    assert "set image.repository" in notes
    assert "crds.install is false" in notes
    release.install("image.repository=registry.example.com/signalbox")
    assert "set image.repository" not in release.notes()
    assert "signalbox.dev/inject" in release.notes()


def test_without_its_api_there_is_no_pod_monitor(release: Release) -> None:
    release.install()
    assert "PodMonitor" not in {each["kind"] for each in release.manifests()}


@pytest.mark.usefixtures("pod_monitors")
def test_where_its_api_is_there_are_monitors_and_alerts(release: Release, cluster: Cluster, namespace: str) -> None:
    """The server stores it as it was rendered: it knows each field, and refuses none."""
    release.install(*MONITORED)
    found = [each for each in release.manifests() if each["apiVersion"] == MONITORING]
    assert sorted(each["kind"] for each in found) == sorted(KINDS)
    for rendered in found:
        stored = cluster.api.get(MONITORING, rendered["kind"], rendered["metadata"]["name"], namespace)
        assert stored["spec"] == rendered["spec"]
        assert stored["metadata"]["labels"]["release"] == "prometheus"


@pytest.mark.usefixtures("pod_monitors")
def test_prometheus_gets_a_token_that_reads_the_metrics(release: Release, cluster: Cluster, namespace: str) -> None:
    """Of an account that may do nothing else."""
    release.install()
    name = deployment(release)
    monitors = {each["metadata"]["name"]: each for each in release.manifests() if each["kind"] == "PodMonitor"}
    monitor = monitors[name]
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    named = endpoint["authorization"]["credentials"]
    secret = eventually(lambda: has_token(cluster.api.get("v1", "Secret", named["name"], namespace)))
    token = base64.b64decode(secret["data"][named["key"]]).decode()
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "metadata": {}, "spec": {"token": token}}
    user = cluster.api.create(review)["status"]["user"]
    assert user["username"] == f"system:serviceaccount:{namespace}:{named['name']}"
    may = (
        {"nonResourceAttributes": {"path": "/metrics", "verb": "get"}},
        {"resourceAttributes": {"namespace": namespace, "resource": "secrets", "verb": "get"}},
    )
    asked = [
        {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "metadata": {}, "spec": spec}
        for spec in ({**attributes, "user": user["username"], "groups": user["groups"]} for attributes in may)
    ]
    assert [cluster.api.create(each)["status"]["allowed"] for each in asked] == [True, False]


def has_token(secret: Object) -> Object | None:
    """A controller puts it in."""
    return secret if secret.get("data", {}).get("token") else None
