"""Pods that go, whoever tells of it."""

from typing import Any

from signalbox.controller.watching.departures import Departures
from signalbox.kube.resources import PODS


def pod(uid: str, namespace: str = "team") -> dict[str, Any]:
    return {"metadata": {"namespace": namespace, "name": f"pod-{uid}", "uid": uid}}


def test_each_pod_that_goes_is_told_once() -> None:
    told: list[str] = []
    pods = Departures(told.append)
    pods.replaced(PODS, None, [pod("a"), pod("b"), pod("c", "other")], "1")
    pods.changed(PODS, "MODIFIED", pod("a"))
    pods.changed(PODS, "DELETED", pod("b"))
    assert told == ["b"]
    pods.replaced(PODS, "team", [], "2")  # a came to an end while nobody watched
    assert told == ["b", "a"]
    pods.changed(PODS, "ADDED", pod("d"))
    pods.replaced(PODS, None, [pod("d")], "3")
    assert told == ["b", "a", "c"]
