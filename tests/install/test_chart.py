"""The chart, rendered by a real Helm: valid, restricted, documented, and clear about wrong values."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from cluster import build
from cluster.api import Object
from cluster.helm import CHART, helm, rendered

VALUES: dict[str, tuple[str, ...]] = {
    "default": (),
    "namespaced": ("namespaces={team-a,team-b}",),
    "small": ("replicas=1", "webhook.enabled=false", "networkPolicy.enabled=false", "rbac.aggregate=false"),
    "everything": (
        "image.digest=sha256:" + "0" * 64,
        "imagePullSecrets[0].name=pull",
        "allowCIDRs={10.0.0.0/8}",
        "log.verbose=true",
        "podLabels.team=a",
        "podAnnotations.note=b",
        "nodeSelector.disk=ssd",
        "tolerations[0].operator=Exists",
        "priorityClassName=system-cluster-critical",
        "serviceAccount.annotations.role=c",
        "extraEnv[0].name=HTTPS_PROXY,extraEnv[0].value=http://proxy",
        "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.name=monitoring",
    ),
    "bare": ("crds.install=false", "rbac.create=false", "serviceAccount.create=false", "serviceAccount.name=own"),
}


@pytest.fixture(params=VALUES)
def manifests(request: pytest.FixtureRequest) -> list[Object]:
    return rendered(*VALUES[request.param])


def test_lint() -> None:
    assert "0 chart(s) failed" in helm(None, "lint", "--strict", CHART).stdout


def test_everything_rendered_is_valid(manifests: list[Object]) -> None:
    major_minor = ".".join(build.kubernetes_version().split(".")[:2])
    for each in manifests:
        kubernetes_validate.validate(each, f"{major_minor}.0", strict=True)


def test_pods_are_restricted(manifests: list[Object]) -> None:
    (deployment,) = [each for each in manifests if each["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}


def test_no_role_has_a_star(manifests: list[Object]) -> None:
    for each in manifests:
        for rule in each.get("rules", ()) if each["kind"] in {"Role", "ClusterRole"} else ():
            assert "*" not in str(rule), each["metadata"]["name"]
        assert "cluster-admin" not in str(each.get("roleRef"))


def test_every_rule_says_why() -> None:
    """A comment stands above each."""
    for name in ("_helpers.tpl", "rbac.yaml"):
        lines = (CHART / "templates" / name).read_text().splitlines()
        for number, line in enumerate(lines):
            if line.startswith("- apiGroups:"):
                before = lines[number - 1]
                same = before.startswith(("  verbs:", "  resourceNames:"))  # goes on with the reason above
                assert before.startswith("#") or same, f"{name}:{number + 1}"


def test_no_authority_is_rendered(manifests: list[Object]) -> None:
    assert not [each for each in manifests if "caBundle" in str(each)]


def test_pods_are_monitored_where_that_is_possible() -> None:
    assert not [each for each in rendered() if each["kind"] == "PodMonitor"]
    api = "monitoring.coreos.com/v1/PodMonitor"
    assert [each for each in rendered(options=("--api-versions", api)) if each["kind"] == "PodMonitor"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("replicas=many", "at '/replicas': got string, want integer"),
        ("webhook.failurePolicy=ignore", "at '/webhook/failurePolicy': value must be one of 'Ignore', 'Fail'"),
        ("replica=3", "additional properties 'replica' not allowed"),
        ("namespaces={Team}", "at '/namespaces/0': 'Team' does not match pattern"),
        ("image.digest=abc", "at '/image/digest': 'abc' does not match pattern"),
    ],
)
def test_a_wrong_value_is_refused(value: str, said: str) -> None:
    done = helm(None, "template", "signalbox", CHART, "--set", value, check=False)
    assert done.returncode != 0
    assert said in done.stderr


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


def test_the_chart_has_the_version_of_the_package() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = (Path(CHART).parents[1] / "pyproject.toml").read_text()
    assert f'version = "{chart["appVersion"]}"' in project
