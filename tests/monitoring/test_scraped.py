"""What Prometheus makes of our metrics: all that alerts, dashboard and examples ask for is really there."""

import json
import math
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from world import eventually

from cluster.build import Say, promtool
from cluster.helm import CHART
from monitoring.conftest import Scene

pytestmark = pytest.mark.monitoring

FILES = CHART / "files" / "monitoring"
EXAMPLES = CHART.parents[1] / "manifests" / "autoscaling"


def panels() -> Iterator[tuple[str, str]]:
    """Title and query of each, with every value of the variables."""
    for panel in json.loads((FILES / "dashboard.json").read_text())["panels"]:
        for target in panel.get("targets", ()):
            query = re.sub(r"\$(namespace|policy|backend)\b", ".*", target["expr"])
            yield f"{panel['title']}, {target['refId']}", query.replace("$__rate_interval", "2m")


def alerts() -> Iterator[tuple[str, str]]:
    for group in yaml.safe_load((FILES / "rules.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


PANELS, ALERTS = dict(panels()), dict(alerts())


@pytest.mark.parametrize("query", PANELS.values(), ids=PANELS)
def test_every_panel_shows_something(scene: Scene, query: str) -> None:
    """Not only NaN, which there is where nothing has happened."""
    assert eventually(lambda: [value for _, value in scene.prometheus.query(query) if not math.isnan(value)])


@pytest.mark.parametrize("expression", ALERTS.values(), ids=ALERTS)
def test_every_series_and_label_of_an_alert_exists(scene: Scene, expression: str) -> None:
    """Values of labels may be those of worse times, names may not."""
    known: set[str] = set()
    selectors = scene.prometheus.selectors(expression)
    assert selectors
    for matchers in selectors:
        (name,) = [each for each in matchers if each["name"] == "__name__"]
        # Of the last minutes: on a busy machine, a scrape may come too late.
        series = f"last_over_time({{__name__{name['type']}{json.dumps(name['value'])}}}[5m])"
        found = eventually(lambda series=series: scene.prometheus.query(series))
        labels = {label for labels, _ in found for label in labels}
        assert {each["name"] for each in matchers} <= labels | {"__name__"}
        known |= labels
    for group in re.findall(r"by \(([^)]*)\)", expression):
        assert set(group.split(", ")) <= known


def test_alerts_fire_for_what_is_wrong_in_the_scene(scene: Scene) -> None:
    """And are evaluated without an error. Most wait for minutes before they fire."""
    groups = eventually(lambda: scene.prometheus.get("rules")["groups"])
    eventually(lambda: {"SignalboxSignalsStale", "SignalboxTargetWithoutEndpoint"} <= active(scene))
    assert not [rule["lastError"] for group in groups for rule in group["rules"] if rule.get("lastError")]
    assert not {"SignalboxNoLeader", "SignalboxQueueOld", "SignalboxCertificateEnds"} & active(scene)


def active(scene: Scene) -> set[str]:
    return {each["labels"]["alertname"] for each in scene.prometheus.get("alerts")["alerts"]}


def test_the_loops_series_keep_their_namespace(scene: Scene) -> None:
    found = eventually(lambda: scene.prometheus.query('signalbox_target_weight_ratio{job="operator"}'))
    assert {labels["namespace"] for labels, _ in found} == {scene.namespace}
    assert sum(value for labels, value in found if labels["route"] == "all") == pytest.approx(1.0)


def test_demand_is_said_by_operator_and_local_mode(scene: Scene) -> None:
    for job in ("operator", "routers"):
        query = f'signalbox_backend_demand_replicas{{job="{job}",backend="small"}} > 0'
        assert eventually(lambda query=query: scene.prometheus.query(query))


def test_the_examples_for_autoscalers_get_an_answer(scene: Scene) -> None:
    keda = yaml.safe_load((EXAMPLES / "keda.yaml").read_text())["spec"]["triggers"][0]["metadata"]["query"]
    ours = keda.replace('"default"', f'"{scene.namespace}"').replace("llama-8b", "small")
    assert len(eventually(lambda: scene.prometheus.query(ours))) == 1
    (rule,) = yaml.safe_load((EXAMPLES / "prometheus-adapter.yaml").read_text())["rules"]["external"]
    assert eventually(lambda: scene.prometheus.query(rule["seriesQuery"]))
    matchers = f'namespace="{scene.namespace}",backend="small"'
    asked = rule["metricsQuery"].replace("<<.Series>>", rule["name"]["as"]).replace("<<.LabelMatchers>>", matchers)
    assert len(scene.prometheus.query(asked)) == 1


def test_every_metric_that_is_scraped_is_documented(scene: Scene) -> None:
    page = (Path(CHART).parents[1] / "docs" / "metrics.md").read_text()
    documented = set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE))
    names = scene.prometheus.get("label/__name__/values")
    ours = {
        re.sub(r"_(bucket|sum|count|created)$", "", each) for each in names if each.startswith(("signalbox", "gen_"))
    }
    assert ours - documented - {each.removesuffix("_total") for each in documented} == set()
    assert len(ours & documented) > 40


def test_promtool_finds_nothing_wrong_with_names_and_words(scene: Scene, say: Say) -> None:
    """Of routers, and of the loop in local mode."""
    targets = scene.prometheus.get("targets")["activeTargets"]
    urls = [each["scrapeUrl"] for each in targets if each["labels"]["job"] == "routers"]
    assert len(urls) == 3
    for url in urls:
        with urllib.request.urlopen(url) as answer:
            text = answer.read()
        done = subprocess.run([promtool(say), "check", "metrics"], check=False, input=text, capture_output=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
