"""Whether an object already is what a manifest says."""

from typing import Any

import pytest

from signalbox.controller.difference import applied, handed_over, holds, replica_owners


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
