"""The ConfigMap that keeps what was learned."""

import base64

import pytest

from signalbox.api import RoutingPolicy
from signalbox.controller.applying.apply import is_ours
from signalbox.plan.children.lessons import kept_lesson, lesson_manifest
from signalbox.plan.learned import Figures, Kept, after_success
from signalbox.plan.lessons import Lesson, classifier_key
from signalbox.plan.outlines import PolicyOutline, outline_of_policy

MODEL = b"a model"


LESSON = Lesson(key="p/classifier/hard", kind="classifier", path="x", sources=(), labels=("a", "b"))


def outline(name: str) -> PolicyOutline:
    spec = {
        "models": ["auto"],
        "targets": [{"name": "a", "backendRef": {"name": "b"}}],
        "routes": [{"name": "all", "weighted": {"targets": [{"name": "a"}]}}],
        "access": {"anonymous": {}},
    }
    metadata = {"name": name, "namespace": "n", "uid": "u"}
    return outline_of_policy(
        RoutingPolicy.model_validate(
            {"apiVersion": "signalbox.dev/v1alpha1", "kind": "RoutingPolicy", "metadata": metadata, "spec": spec}
        )
    )


@pytest.mark.parametrize("length", [1, 44, 45, 52])
def test_it_fits_policies_with_names_as_long_as_they_may_be(length: int) -> None:
    name = "p" * length
    record = after_success(LESSON, "d", MODEL, Figures(examples=7))
    made = lesson_manifest(outline(name), classifier_key(name, "c" * 63), record, MODEL)
    assert all(len(value) <= 63 and value[-1].isalnum() for value in made["metadata"]["labels"].values())
    assert base64.b64decode(made["binaryData"]["model"]) == MODEL
    assert is_ours(made)
    assert kept_lesson(made) == Kept(record, MODEL)
