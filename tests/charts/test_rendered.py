"""The chart, rendered by a real Helm: valid, restricted, and with a reason for each right."""

import json
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from charts.rendering import VALUES, manifests, text
from cluster import build, rights
from cluster.api import Object
from cluster.helm import CHART, helm
from cluster.rights import Right
from signalbox.plan.children import labels_of
from signalbox.plan.sidecars.injection import INJECT

KINDS = {"PrometheusRule", "ConfigMap"}


@pytest.fixture(params=VALUES)
def rendered(request: pytest.FixtureRequest) -> list[Object]:
    return manifests(VALUES[request.param])


def test_lint() -> None:
    assert "0 chart(s) failed" in helm(None, "lint", "--strict", CHART).stdout


def test_everything_rendered_is_valid(rendered: list[Object]) -> None:
    major_minor = ".".join(build.kubernetes_version().split(".")[:2])
    for each in rendered:
        kubernetes_validate.validate(each, f"{major_minor}.0", strict=True)


def test_pods_are_restricted(rendered: list[Object]) -> None:
    (deployment,) = [each for each in rendered if each["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}


def test_no_role_has_a_star(rendered: list[Object]) -> None:
    for each in rendered:
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


def test_both_modes_give_the_same_rights() -> None:
    """So what tests/controller/test_rights.py shows of one is true of the other."""
    only = "--show-only=templates/rbac.yaml"
    everywhere, somewhere = (rights.granted(manifests(values, only)) for values in ("{}", "namespaces: [a, b]"))
    assert somewhere - everywhere == {Right("", "namespaces", verb) for verb in ("list", "watch")}
    assert everywhere < somewhere


def test_no_authority_is_rendered(rendered: list[Object]) -> None:
    assert not [each for each in rendered if "caBundle" in str(each)]


def test_pods_are_monitored_where_that_is_possible() -> None:
    def monitors(*options: str) -> list[Object]:
        return [each for each in manifests("{}", *options) if each["kind"] == "PodMonitor"]

    assert not monitors()
    found = monitors("--api-versions", "monitoring.coreos.com/v1/PodMonitor")
    assert [each["metadata"]["name"] for each in found] == ["signalbox", "signalbox-routers", "signalbox-sidecars"]


def test_monitors_look_only_where_policies_are_served() -> None:
    api = ("--api-versions", "monitoring.coreos.com/v1/PodMonitor")
    for values, expected in (("{}", {"any": True}), ("namespaces: [a, b]", {"matchNames": ["a", "b"]})):
        routers = [
            each for each in manifests(values, *api) if each["metadata"]["name"].endswith(("routers", "sidecars"))
        ]
        assert [each["spec"]["namespaceSelector"] for each in routers] == [expected, expected]


def test_routers_are_found_by_what_they_are() -> None:
    """The labels and ports are those that the operator gives."""
    api = ("--api-versions", "monitoring.coreos.com/v1/PodMonitor")
    found = {each["metadata"]["name"]: each["spec"] for each in manifests("{}", *api) if each["kind"] == "PodMonitor"}
    routers, sidecars = found["signalbox-routers"], found["signalbox-sidecars"]
    assert routers["selector"]["matchLabels"].items() <= labels_of("chat-router").items()
    assert [each["port"] for each in routers["podMetricsEndpoints"]] == ["metrics"]
    assert sidecars["selector"]["matchExpressions"] == [{"key": INJECT, "operator": "Exists"}]
    assert [each["port"] for each in sidecars["podMetricsEndpoints"]] == ["sb-probes"]


def test_alerts_and_dashboard_are_there_when_asked_for() -> None:
    api = ("--api-versions", "monitoring.coreos.com/v1/PrometheusRule")

    def kinds(values: str, *options: str) -> set[str]:
        return {each["metadata"]["name"] for each in manifests(values, *options) if each["kind"] in KINDS}

    asked = "monitoring: {prometheusRules: {enabled: true}, grafanaDashboard: {enabled: true}}"
    assert kinds("{}", *api) == set()
    assert kinds(asked) == {"signalbox-dashboard"}
    assert kinds(asked, *api) == {"signalbox", "signalbox-dashboard"}
    found = {each["kind"]: each for each in manifests(VALUES["every"], *api) if each["kind"] in KINDS}
    assert found["PrometheusRule"]["spec"] == yaml.safe_load((CHART / "files/monitoring/rules.yaml").read_text())
    assert found["PrometheusRule"]["metadata"]["labels"]["release"] == "prometheus"
    dashboard = found["ConfigMap"]
    assert "grafana_dashboard" not in dashboard["metadata"]["labels"]
    assert dashboard["metadata"]["labels"]["dashboards"] == "signalbox"
    assert json.loads(dashboard["data"]["signalbox.json"])["uid"] == "signalbox"


def test_who_brings_the_roles_gets_none_but_those_for_users() -> None:
    found = text(VALUES["theirs"])
    assert "kind: ClusterRoleBinding" not in found
    assert "signalbox-metrics" not in found
    assert "aggregate-to-view" in found


def test_the_chart_has_the_version_of_the_package() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = (Path(CHART).parents[1] / "pyproject.toml").read_text()
    assert f'version = "{chart["appVersion"]}"' in project
