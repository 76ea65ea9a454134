"""Whether an object already is what a manifest says."""

from typing import Any

import pytest

from signalbox.controller.applying.difference import applied, handed_over, holds, replica_owners
from signalbox.controller.applying.quantity import amount


@pytest.mark.parametrize(
    ("live", "wanted", "same"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 2}, False),
        ({}, {"a": 1}, False),
        ({"a": {"b": [{"c": 1, "default": True}]}}, {"a": {"b": [{"c": 1}]}}, True),
        ({"a": [1, 2]}, {"a": [1]}, False),
        ({"a": "text"}, {"a": "text"}, True),
        ({}, {"a": {}, "b": []}, True),
        ({"data": {"x": "1"}}, {"data": {"x": "1"}}, True),
        ({"data": {"x": "1", "more": "2"}}, {"data": {"x": "1"}}, False),
        ({}, {"data": {}}, True),
        ({"data": {"x": "1"}}, {"data": {}}, False),
    ],
)
def test_holds(live: Any, wanted: Any, same: bool) -> None:
    assert holds(live, wanted) is same


def owned(spec: Any, fields: Any) -> dict[str, Any]:
    fields_v1 = {"f:spec": fields}
    managed = [
        {"manager": "signalbox", "operation": "Apply", "fieldsV1": fields_v1},
        {"manager": "other", "operation": "Update", "fieldsV1": {"f:spec": {"f:theirs": {}}}},
    ]
    return {"metadata": {"managedFields": managed}, "spec": spec}


PORT = 'k:{"containerPort":80,"protocol":"TCP"}'
TCP = {"containerPort": 80, "protocol": "TCP"}


@pytest.mark.parametrize(
    ("spec", "fields", "wanted", "same"),
    [
        ({"a": 1, "theirs": 2}, {"f:a": {}}, {"a": 1}, True),
        ({"a": 1, "b": 2}, {"f:a": {}, "f:b": {}}, {"a": 1}, False),
        ({"a": {"b": 1, "c": 2}}, {"f:a": {".": {}, "f:b": {}, "f:c": {}}}, {"a": {"b": 1}}, False),
        ({"a": {"b": 1, "c": 2}}, {"f:a": {".": {}, "f:b": {}}}, {"a": {"b": 1}}, True),
        ({"a": {}}, {"f:a": {}}, {"a": {}}, True),
        ({"a": [{"n": 1}, {"n": 2}]}, {"f:a": {}}, {"a": [{"n": 1}]}, False),
        ({"a": [{"n": 1}]}, {"f:a": {".": {}, 'k:{"n":1}': {".": {}, "f:n": {}}}}, {"a": [{"n": 1}]}, True),
        ({"a": [{"n": 1}, {"n": 2}]}, {"f:a": {'k:{"n":1}': {".": {}, "f:n": {}}}}, {"a": [{"n": 1}]}, True),
        ({"a": [{"n": 1}, {"n": 2}]}, {"f:a": {'k:{"n":1}': {}, 'k:{"n":2}': {}}}, {"a": [{"n": 1}]}, False),
        ({"a": [{"n": 1}, {"n": 2}]}, {"f:a": {'k:{"n":1}': {}, 'k:{"n":2}': {}}}, {"a": [{"n": 2}, {"n": 1}]}, False),
        ({"a": [{"n": 1, "x": 1}]}, {"f:a": {'k:{"n":1}': {"f:x": {}}}}, {"a": [{"n": 1, "x": 2}]}, False),
        ({"a": [{"n": 1, "x": 1}]}, {"f:a": {'k:{"n":1}': {"f:n": {}, "f:x": {}}}}, {"a": [{"n": 1}]}, False),
        ({"p": [TCP]}, {"f:p": {PORT: {"f:containerPort": {}}}}, {"p": [{"containerPort": 80}]}, True),
        ({"s": ["x", "y"]}, {"f:s": {'v:"x"': {}, 'v:"y"': {}}}, {"s": ["x"]}, False),
        ({"limits": {"cpu": "500m"}}, {"f:limits": {"f:cpu": {}}}, {"limits": {"cpu": "0.5"}}, True),
        ({"limits": {"cpu": "500m"}}, {"f:limits": {"f:cpu": {}}}, {"limits": {"cpu": "0.6"}}, False),
        ({"env": {"cpu": "500m"}}, {"f:env": {"f:cpu": {}}}, {"env": {"cpu": "0.5"}}, False),
    ],
)
def test_what_we_own_and_no_longer_want_is_a_difference(spec: Any, fields: Any, wanted: Any, same: bool) -> None:
    assert holds(owned(spec, fields), {"spec": wanted}) is same


@pytest.mark.parametrize(
    ("one", "other"),
    [("0.5", "500m"), (1, "1"), ("1Gi", "1024Mi"), ("1e3", "1k"), ("0.1Gi", "107374182400m"), ("1E", "1e18")],
)
def test_amounts(one: str | int, other: str) -> None:
    assert amount(one) == amount(other) is not None


@pytest.mark.parametrize("text", ["", "x", "1.2.3", "1 Gi", "Gi", "1m1", "1e99999999", "1e" + "9" * 5000])
def test_what_is_no_amount(text: str) -> None:
    assert amount(text) is None


def entry(manager: str, operation: str, subresource: str = "", **spec: Any) -> dict[str, Any]:
    found = {"manager": manager, "operation": operation, "fieldsV1": {"f:spec": spec}}
    return found | ({"subresource": subresource} if subresource else {})


def test_what_was_created_counts_as_applied_once_it_is_handed_over() -> None:
    live = {"metadata": {"managedFields": [entry("signalbox", "Update"), entry("other", "Update")]}}
    assert not applied(live)
    after = {"metadata": {"managedFields": handed_over(live)}}
    assert applied(after)
    assert not applied(after, "other")
    assert not applied(live)  # the object itself stays as it was


def test_who_scales_owns_the_replicas() -> None:
    owned = {"f:replicas": {}}
    live = {
        "metadata": {
            "managedFields": [
                entry("signalbox", "Apply", **{"f:template": {}}),
                entry("kubectl", "Update", "scale", **owned),
                entry("kube-controller-manager", "Update", "status", **owned),
            ]
        }
    }
    assert replica_owners(live) == {"kubectl"}
    assert replica_owners({"metadata": {}}) == set()
