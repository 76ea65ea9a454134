"""The values of the chart: all known to its schema, and clear words about wrong ones."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from charts.rendering import manifests, refusal
from cluster.helm import CHART


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("replicas: many", "at '/replicas': got string, want integer"),
        ("webhook: {failurePolicy: ignore}", "at '/webhook/failurePolicy': value must be one of 'Ignore', 'Fail'"),
        ("replica: 3", "additional properties 'replica' not allowed"),
        ("namespaces: [Team]", "at '/namespaces/0': 'Team' does not match pattern"),
        ("image: {digest: abc}", "at '/image/digest': 'abc' does not match pattern"),
        (
            "image: {repository: 'example.com/signalbox:v1'}",
            "at '/image/repository': 'example.com/signalbox:v1' does not",
        ),
        ("image: {tag: 1}", "at '/image/tag': got number, want string"),
        ("resources: {request: {cpu: 1}}", "at '/resources': additional properties 'request' not allowed"),
        ("resources: {limits: {memory: 1 GB}}", "at '/resources/limits/memory': '1 GB' does not match pattern"),
        ("allowCIDRs: [10.0.0.0]", "at '/allowCIDRs/0': '10.0.0.0' does not match pattern"),
        ("allowCIDRs: [10.0.0.0/33]", "at '/allowCIDRs/0': '10.0.0.0/33' does not match pattern"),
        ("allowCIDRs: ['fd00::/129']", "at '/allowCIDRs/0': 'fd00::/129' does not match pattern"),
        ("affinity: {nodeSelectorTerms: []}", "at '/affinity': additional properties 'nodeSelectorTerms' not allowed"),
        ("tolerations: [{key: a, effect: Never}]", "at '/tolerations/0/effect': value must be one of"),
        ("topologySpreadConstraints: [{maxSkew: 1}]", "missing properties 'topologyKey', 'whenUnsatisfiable'"),
        ("terminationGracePeriodSeconds: 15s", "at '/terminationGracePeriodSeconds': got string, want integer"),
        (f"fullnameOverride: {'a' * 41}", "at '/fullnameOverride': maxLength: got 41, want 40"),
        ("extraEnv: [{name: POD_IP, value: a}]", "extraEnv: POD_IP is set by the chart: remove it"),
        ("podLabels: {app.kubernetes.io/name: a}", "podLabels: app.kubernetes.io/name is a label of the chart's own"),
        ("monitoring: {prometheusRule: {}}", "at '/monitoring': additional properties 'prometheusRule' not allowed"),
        (
            "monitoring: {grafanaDashboard: {enabled: true, labels: {app.kubernetes.io/name: a}}}",
            "monitoring.grafanaDashboard.labels: app.kubernetes.io/name is a label of the chart's own",
        ),
        ("serviceAccount: {create: false}", "serviceAccount.name: name an existing ServiceAccount"),
    ],
)
def test_a_wrong_value_is_refused(values: str, said: str) -> None:
    assert said in refusal(values)


def test_a_label_of_a_monitor_does_not_hide_the_charts_own() -> None:
    api = ("--api-versions", "monitoring.coreos.com/v1/PodMonitor")
    said = refusal("podMonitor: {labels: {app.kubernetes.io/name: a}}", *api)
    assert "podMonitor.labels: app.kubernetes.io/name is a label of the chart's own" in said


def test_a_security_context_can_be_changed_field_by_field() -> None:
    """Where the cluster chooses the user, say."""
    values = "{podSecurityContext: {runAsUser: null, fsGroup: 7}, securityContext: {procMount: Default}}"
    (deployment,) = [each for each in manifests(values) if each["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    seccomp = {"type": "RuntimeDefault"}
    expected = {"runAsNonRoot": True, "runAsGroup": 65532, "fsGroup": 7, "seccompProfile": seccomp}
    assert pod["securityContext"] == expected
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["containers"][0]["securityContext"]["procMount"] == "Default"


def test_the_schema_explains_every_value() -> None:
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    assert [path for path, node in leaves(schema) if "description" not in node] == ["global"]  # which Helm adds itself


def leaves(schema: dict[str, Any], at: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """What has a description, or should have one."""
    for key, node in schema["properties"].items():
        if "properties" in node and "description" not in node:
            yield from leaves(node, f"{at}{key}.")
        else:
            yield f"{at}{key}", node


def test_the_schema_knows_every_value() -> None:
    """Else a default could not be written down by who sets all of them."""
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    assert set(paths(yaml.safe_load((CHART / "values.yaml").read_text()), schema)) == set()


def paths(values: dict[str, Any], schema: dict[str, Any], at: str = "") -> Iterator[str]:
    """Values that a schema has no property for."""
    for key, value in values.items():
        known = schema.get("properties", {}).get(key)
        if known is None and schema.get("additionalProperties") is False:
            yield f"{at}{key}"
        elif isinstance(value, dict) and known:
            yield from paths(value, known, f"{at}{key}.")
