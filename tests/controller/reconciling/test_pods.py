"""Pods with sidecars: what has happened to one."""

from typing import Any

import pytest

from signalbox.controller.reconciling.pods import has_ended
from signalbox.controller.watching.slim import slim
from signalbox.kube.client import Object
from signalbox.kube.resources import PODS


def pod(uid: str = "one", **status: Any) -> Object:
    return slim(PODS, {"metadata": {"name": "web-0", "namespace": "team", "uid": uid}, "spec": {}, "status": status})


@pytest.mark.parametrize(
    ("after", "ended"),
    [
        (None, True),
        (pod(phase="Running"), False),
        (pod(phase="Failed", reason="Evicted"), True),
        (pod(phase="Succeeded"), True),
        (pod("another", phase="Pending"), True),
    ],
)
def test_a_pod_ends_also_where_its_object_stays_or_another_one_has_its_name(after: Object | None, ended: bool) -> None:
    assert has_ended(pod(phase="Running"), after) is ended


def test_one_that_has_ended_does_not_end_again() -> None:
    assert not has_ended(pod(phase="Failed"), pod(phase="Failed", reason="Evicted"))
