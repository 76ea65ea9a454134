"""The API server judges objects as the models do: same verdict, same fields, and our words where a rule is ours."""

import re
from typing import Any

import pytest
from generated import objects
from hypothesis import HealthCheck, event, given, settings
from invalid_objects import BASES, CASES, KINDS, built
from pydantic import ValidationError

from cluster.api import Api, ApiError
from cluster.running import Cluster
from signalbox.api import ModelBackend, RoutingPolicy, crd
from signalbox.api.base import ApiModel
from signalbox.api.errors import field_errors

# What the API server drops before it looks: a field with nothing behind it (`pricing:`) is a field that is not there.
# The models refuse it, since whoever writes it locally has forgotten something; where the field had to be there, the
# API server blames its absence.
NULLS = {"empty field": None, "anonymous with nothing behind it": "says nobody may call"}

SKIPPED = "some validation rules were not checked"


def judge(api: Api, namespace: str, data: dict[str, Any]) -> ApiError | None:
    """What the API server says to the creation of an object, without creating it."""
    plural = {"ModelBackend": "modelbackends", "RoutingPolicy": "routingpolicies"}[data["kind"]]
    path = f"/apis/{data['apiVersion']}/namespaces/{namespace}/{plural}"
    try:
        api.call("POST", path, data, fieldValidation="Strict", dryRun="All")
    except ApiError as error:
        return error
    return None


def messages(error: ApiError) -> dict[str, str]:
    """What is said about each field that is blamed; keys of maps as paths (the server writes ``[key]``)."""
    found: dict[str, str] = {}
    for field, message in error.causes:
        if field != "<nil>":
            path = re.sub(r"\[([^\]\d][^\]]*)\]", r".\1", field)
            found[path] = f"{found.get(path, '')} {message}".strip()
    for field in re.findall(r'unknown field "([^"]+)"', error.message):
        found[field] = "unknown field"
    return found


def rules(schema: Any) -> list[str]:
    """The messages of all rules in a schema."""
    if isinstance(schema, list):
        return [message for item in schema for message in rules(item)]
    if not isinstance(schema, dict):
        return []
    own = [rule["message"] for rule in schema.get("x-kubernetes-validations", ()) if isinstance(rule, dict)]
    return own + [message for item in schema.values() for message in rules(item)]


RULES = [message for model in KINDS.values() for message in rules(crd.structural(model))]


@pytest.mark.parametrize("base", BASES)
def test_the_bases_are_accepted(cluster: Cluster, base: str) -> None:
    assert judge(cluster.api, "default", BASES[base]) is None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_invalid_objects(cluster: Cluster, case: dict[str, Any]) -> None:
    data = built(case)
    error = judge(cluster.api, "default", data)
    if case["name"] in NULLS:
        assert (NULLS[case["name"]] or "") in (error.message if error else "")
        assert (error is None) == (NULLS[case["name"]] is None)
        return
    assert error is not None, "accepted"
    if case.get("server") == "none":  # an object of another version never reaches our schema
        assert error.code == 404
        return
    found = messages(error)
    if error.code == 400:  # unknown fields are found first, and then nothing else is looked for
        assert found
        assert found.keys() <= case["errors"].keys()
        return
    assert error.code == 422
    blamed = case.get("server", case["errors"])
    assert set(blamed) <= found.keys(), error.status
    assert all(path.startswith(tuple(blamed)) for path in found), "blames more than what is wrong"
    if SKIPPED not in error.message:
        for path, message in ours(data).items():
            assert message in found[path], error.status


def ours(data: dict[str, Any]) -> dict[str, str]:
    """What the models say in the words of a rule; the rest the API server says in words of its own."""
    model = KINDS[data["kind"]]
    with pytest.raises(ValidationError) as caught:
        model.model_validate(data)
    return {each.path: each.message for each in field_errors(model, caught.value) if each.message in RULES}


COMMON = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def compare(api: Api, model: type[ApiModel], data: dict[str, Any]) -> None:
    try:
        model.model_validate(data)
        refused = None
    except ValidationError as error:
        refused = error
    event(f"{model.__name__} accepted: {refused is None}")
    said = judge(api, "default", data)
    assert (said is None) == (refused is None), (said and said.status, refused)


@COMMON
@given(data=objects(ModelBackend))
def test_generated_backends(cluster: Cluster, data: dict[str, Any]) -> None:
    compare(cluster.api, ModelBackend, data)


@COMMON
@given(data=objects(RoutingPolicy))
def test_generated_policies(cluster: Cluster, data: dict[str, Any]) -> None:
    compare(cluster.api, RoutingPolicy, data)
