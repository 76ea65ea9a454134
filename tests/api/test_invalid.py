"""Every object of ``invalid.yaml`` is refused, at the right fields, with words that name the fix."""

from typing import Any

import pytest
from invalid_objects import BASES, CASES, KINDS, built
from pydantic import ValidationError

from signalbox.api.errors import field_errors
from signalbox.api.routingpolicy import RoutingPolicySpec


@pytest.mark.parametrize("base", BASES)
def test_the_bases_are_valid(base: str) -> None:
    data = BASES[base]
    KINDS[data["kind"]].model_validate(data)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_refused_with_path_and_fix(case: dict[str, Any]) -> None:
    data = built(case)
    model = KINDS[data["kind"]]
    with pytest.raises(ValidationError) as caught:
        model.model_validate(data)
    found = {error.path: error.message for error in field_errors(model, caught.value)}
    assert found.keys() == case["errors"].keys(), found
    for path, part in case["errors"].items():
        assert part in found[path]


def test_each_case_has_a_name_of_its_own() -> None:
    names = [case["name"] for case in CASES]
    assert len(names) == len(set(names))


def test_a_name_that_two_routes_have_is_named() -> None:
    route = {"name": "all", "weighted": {"targets": [{"name": "a"}]}}
    spec = {
        "models": ["auto"],
        "targets": [{"name": "a", "backendRef": {"name": "a"}}],
        "routes": [{**route, "when": "true"}, route],
        "access": {"anonymous": {}},
    }
    with pytest.raises(ValidationError) as caught:
        RoutingPolicySpec.model_validate(spec)
    assert [error["msg"] for error in caught.value.errors()] == ['two routes have one name, "all": rename one']
