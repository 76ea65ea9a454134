"""Answers of the webhook."""

import base64
import json
from typing import Any

import pytest

from signalbox.plan.sidecars.admission import NoReview, allowed, pod_of

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "app-"}, "spec": {"containers": []}}
REVIEW = {"request": {"uid": "u", "namespace": "team", "object": POD}}


def test_the_namespace_comes_from_the_request() -> None:
    assert pod_of(REVIEW) == ("team", POD)


@pytest.mark.parametrize(
    "sent",
    [
        None,
        [],
        "x",
        {},
        {"request": None},
        {"request": {"uid": "u", "namespace": "n"}},
        {"request": {"uid": 1, "namespace": "n", "object": POD}},
        {"request": {"uid": "u", "namespace": "n", "object": {"kind": "Service", "spec": {}}}},
        {"request": {"uid": "u", "namespace": "n", "object": {"kind": "Pod", "spec": None}}},
    ],
)
def test_anything_else_is_no_review(sent: Any) -> None:
    with pytest.raises(NoReview):
        pod_of(sent)


def test_a_patch_travels_in_base64() -> None:
    patch = [{"op": "add", "path": "/spec/initContainers", "value": []}]
    response = allowed(REVIEW, patch)["response"]
    assert (response["uid"], response["allowed"], response["patchType"]) == ("u", True, "JSONPatch")
    assert json.loads(base64.b64decode(response["patch"])) == patch


def test_without_a_patch_there_is_only_the_warning() -> None:
    response = allowed(REVIEW, [], ["no such policy"])["response"]
    assert response == {"uid": "u", "allowed": True, "warnings": ["no such policy"]}
