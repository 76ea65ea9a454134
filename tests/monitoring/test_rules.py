"""The alerts, judged by the real promtool."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.build import Say, promtool
from cluster.helm import CHART

RULES = CHART / "files" / "monitoring" / "rules.yaml"
TESTS = Path(__file__).with_name("rules_test.yaml")
PAGE = CHART.parents[1] / "docs" / "monitoring.md"


def alerts() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def test_each_alert_is_explained() -> None:
    """What it means, and what to do."""
    titles = re.findall(r"^### (\w+)$", PAGE.read_text(), re.MULTILINE)
    assert titles == [each["alert"] for each in alerts()]


def test_each_alert_is_tested_both_ways() -> None:
    """That it fires, and that it does not."""
    tested: dict[str, set[bool]] = {}
    for scene in yaml.safe_load(TESTS.read_text())["tests"]:
        for case in scene["alert_rule_test"]:
            tested.setdefault(case["alertname"], set()).add(bool(case["exp_alerts"]))
    assert tested == {each["alert"]: {True, False} for each in alerts()}


def test_each_alert_says_how_bad_it_is() -> None:
    for each in alerts():
        assert each["labels"]["severity"] in {"warning", "critical"}
        assert each["annotations"].keys() == {"summary", "description"}


@pytest.mark.monitoring
def test_promtool_finds_no_fault(say: Say) -> None:
    assert "SUCCESS" in run(say, "check", "rules", "--lint=all", "--lint-fatal", RULES)


@pytest.mark.monitoring
def test_alerts_fire_and_are_silent(say: Say, tmp_path: Path) -> None:
    file = tmp_path / "tests.yaml"
    file.write_text(TESTS.read_text().replace("[rules.yaml]", f"[{RULES}]"))
    assert "SUCCESS" in run(say, "test", "rules", file)


def run(say: Say, *arguments: str | Path) -> str:
    done = subprocess.run([promtool(say), *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
