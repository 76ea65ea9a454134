"""Argo CD's script and kstatus agree, on statuses that were taken from a cluster (tests/controller/test_health.py)."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from manifests.gitops.verdicts import SAME, SCRIPTS, argo, kstatus


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
def test_what_is_deleted_is_on_its_way(kind: str) -> None:
    obj = yaml.safe_load((SCRIPTS / kind / "testdata" / "ready.yaml").read_text())
    obj["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert argo(obj) == ("Progressing", "Being deleted")
    assert kstatus(obj) == "Terminating"


@pytest.mark.parametrize("kind", ["ModelBackend", "RoutingPolicy"])
def test_without_any_status_the_two_differ(kind: str) -> None:
    """That is why the CRDs have a default for it."""
    new = {"kind": kind, "metadata": {"name": "n", "generation": 1}}
    assert argo(new) == ("Progressing", "Waiting for the operator")
    assert kstatus(new) == "Current"
    assert kstatus({**new, "status": {"observedGeneration": -1}}) == "InProgress"


def test_every_status_that_was_taken_is_judged() -> None:
    judged = {folder / entry["inputPath"] for folder, entry in (case.values for case in cases())}
    assert judged == set(SCRIPTS.glob("*/testdata/*.yaml"))
    assert len(judged) >= 16
