"""The examples are valid: every object, and every condition in it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from signalbox.api import ModelBackend, RoutingPolicy
from signalbox.plan.expressions.check import Checker

EXAMPLES = Path(__file__).parents[2] / "manifests" / "examples"
FILES = sorted(file for file in EXAMPLES.rglob("*.yaml") if file.parent.name != "sim")
OBJECTS = [(file, data) for file in FILES for data in yaml.safe_load_all(file.read_text())]
KINDS = {"ModelBackend": ModelBackend, "RoutingPolicy": RoutingPolicy}


def of_kind(kind: str) -> list[tuple[Path, dict[str, Any]]]:
    return [(file, data) for file, data in OBJECTS if data["kind"] == kind]


def test_only_known_kinds() -> None:
    assert {data["kind"] for _, data in OBJECTS} <= {"ModelBackend", "RoutingPolicy", "Secret", "ConfigMap"}


@pytest.mark.parametrize("data", [d for _, d in OBJECTS if d["kind"] in KINDS], ids=lambda d: d["metadata"]["name"])
def test_valid(data: dict[str, Any]) -> None:
    KINDS[data["kind"]].model_validate(data)


@pytest.mark.parametrize(("file", "data"), of_kind("RoutingPolicy"), ids=lambda value: getattr(value, "stem", ""))
def test_conditions_and_references(file: Path, data: dict[str, Any]) -> None:
    policy = RoutingPolicy.model_validate(data)
    beside = {d["metadata"]["name"] for f, d in OBJECTS if f.parent == file.parent and d["kind"] == "ModelBackend"}
    assert {target.backend_ref.name for target in policy.spec.targets} <= beside
    targets = [target.name for target in policy.spec.targets]
    checker = Checker(targets)
    for route in policy.spec.routes:
        if route.when:
            checker.check(route.when)
        tiers = route.failover.tiers if route.failover else [route.weighted]
        assert {share.name for tier in tiers if tier for share in tier.targets} <= set(targets)


def test_the_demo_has_the_backends_that_the_command_starts() -> None:
    names = [data["metadata"]["name"] for file, data in of_kind("ModelBackend") if file.parent.name == "demo"]
    assert names == ["fast", "balanced", "strong"]
