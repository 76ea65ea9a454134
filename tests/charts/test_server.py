"""A real API server takes all that the chart renders, without a warning, in a namespace of restricted pods."""

import subprocess
from pathlib import Path

import pytest

from cluster.helm import CHART, helm
from cluster.kubectl import kubectl
from cluster.running import Cluster

EVERY_VALUE = """\
replicas: 3
image: {repository: registry.example.com/signalbox, tag: v1, pullPolicy: Always}
imagePullSecrets: [{name: pull}]
fullnameOverride: other
serviceAccount: {name: own, annotations: {cloud.example.com/role: signalbox}}
allowCIDRs: [10.0.0.0/8, "fd00::/8"]
log: {format: text, verbose: true}
resources: {requests: {cpu: 1, memory: 1Gi}, limits: {cpu: 2, memory: 2Gi}}
podDisruptionBudget: {maxUnavailable: 50%}
webhook: {failurePolicy: Fail, timeoutSeconds: 5}
networkPolicy: {metricsFrom: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]}
topologySpreadConstraints:
  - {maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: DoNotSchedule}
  - maxSkew: 2
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector: {matchLabels: {app.kubernetes.io/name: signalbox}}
podLabels: {team: a}
podAnnotations: {example.com/note: "true"}
nodeSelector: {kubernetes.io/os: linux}
tolerations: [{key: dedicated, operator: Equal, value: system, effect: NoSchedule}]
affinity:
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/arch, operator: In, values: [amd64, arm64]}]}]
priorityClassName: system-cluster-critical
terminationGracePeriodSeconds: 60
extraEnv:
  - {name: HTTPS_PROXY, value: "http://proxy.example.com:3128"}
  - {name: FROM, valueFrom: {secretKeyRef: {name: some, key: some}}}
"""
VALUES = {
    "default": "{}",
    "namespaced": "namespaces: [NAMESPACE]",
    "without": """\
{replicas: 1, webhook: {enabled: false}, networkPolicy: {enabled: false}, podDisruptionBudget: {enabled: false},
 podMonitor: {enabled: false}, rbac: {aggregate: false}, crds: {install: false}, topologySpreadConstraints: []}""",
    "theirs": "{rbac: {create: false}, serviceAccount: {create: false, name: own}}",
    "every": EVERY_VALUE,
}


def render(place: Path, values: str, *options: str) -> Path:
    """A file with all that Helm would apply."""
    (place / "values.yaml").write_text(values)
    done = helm(None, "template", "signalbox", CHART, "--values", place / "values.yaml", *options)
    file = place / "rendered.yaml"
    file.write_text(done.stdout)
    return file


def applied(cluster: Cluster, file: Path) -> subprocess.CompletedProcess[str]:
    """What the server would say: it is to change nothing, for CRDs and cluster roles belong to all tests."""
    return kubectl(
        cluster, "apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", file
    )


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_the_server_takes_it_without_a_warning(cluster: Cluster, namespace: str, tmp_path: Path, values: str) -> None:
    for level in ("enforce", "warn"):
        kubectl(cluster, "label", "namespace", namespace, f"pod-security.kubernetes.io/{level}=restricted")
    file = render(tmp_path, values.replace("NAMESPACE", namespace), "--namespace", namespace)
    assert applied(cluster, file).stderr == ""


def test_pods_that_are_not_restricted_are_warned_of(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """Else the test above would see nothing."""
    kubectl(cluster, "label", "namespace", namespace, "pod-security.kubernetes.io/warn=restricted")
    file = render(tmp_path, "{}", "--namespace", namespace)
    file.write_text(file.read_text().replace("runAsNonRoot: true", "runAsNonRoot: false"))
    assert "would violate PodSecurity" in applied(cluster, file).stderr


def test_who_brings_the_roles_gets_none_but_those_for_users(tmp_path: Path) -> None:
    text = render(tmp_path, VALUES["theirs"]).read_text()
    assert "kind: ClusterRoleBinding" not in text
    assert "signalbox-metrics" not in text
    assert "aggregate-to-view" in text


def test_an_account_that_is_not_made_has_to_be_named() -> None:
    done = helm(None, "template", "signalbox", CHART, "--set", "serviceAccount.create=false", check=False)
    assert done.returncode != 0
    assert "serviceAccount.name: name an existing ServiceAccount" in done.stderr
