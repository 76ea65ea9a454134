"""Argo CD's script and kstatus agree, on statuses that were taken from a cluster (tests/controller/test_health.py)."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from manifests.gitops.verdicts import SCRIPTS, argo, kstatus

SAME = {"Healthy": "Current", "Progressing": "InProgress", "Degraded": "Failed"}


def cases() -> list[Any]:
    """Every entry of every health_test.yaml."""
    return [
        pytest.param(file.parent, entry, id=f"{file.parent.name}-{Path(entry['inputPath']).stem}")
        for file in sorted(SCRIPTS.glob("*/health_test.yaml"))
        for entry in yaml.safe_load(file.read_text())["tests"]
    ]


@pytest.mark.parametrize(("folder", "entry"), cases())
def test_what_argo_cd_says(folder: Path, entry: dict[str, Any]) -> None:
    obj = yaml.safe_load((folder / entry["inputPath"]).read_text())
    status, message = argo(obj)
    assert {"status": status, "message": message} == entry["healthStatus"]
    assert kstatus(obj) == SAME[status]


@pytest.mark.parametrize("kind", ["ModelBackend", "RoutingPolicy"])
def test_what_no_operator_has_seen_is_on_its_way(kind: str) -> None:
    new = {"kind": kind, "metadata": {"generation": 1}}
    assert argo(new) == ("Progressing", "Waiting for the operator")
    ready = {"type": "Ready", "status": "True", "message": "m"}
    edited = {"kind": kind, "metadata": {"generation": 2}, "status": {"observedGeneration": 1, "conditions": [ready]}}
    assert argo(edited) == ("Progressing", "Waiting for the operator")
    assert kstatus(edited) == "InProgress"
    going = {**edited, "metadata": {"generation": 1, "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    assert argo(going) == ("Progressing", "Being deleted")
    assert kstatus(going) == "Terminating"


def test_every_status_that_was_taken_is_judged() -> None:
    judged = {folder / entry["inputPath"] for folder, entry in (case.values for case in cases())}
    assert judged == set(SCRIPTS.glob("*/testdata/*.yaml"))
    assert len(judged) >= 10
