"""No defect of ours spoils the plan of a neighbour."""

import logging
from typing import Any

import pytest

from signalbox.api import ModelBackend, RoutingPolicy
from signalbox.plan import compile as compiling
from signalbox.plan.compile import Plan, plan
from signalbox.plan.observed import Observed

API = {"apiVersion": "signalbox.dev/v1alpha1"}


def backend(name: str) -> ModelBackend:
    spec = {"model": "m", "url": "https://api.example.com"}
    return ModelBackend.model_validate(
        {**API, "kind": "ModelBackend", "metadata": {"name": name, "namespace": "n"}, "spec": spec}
    )


def policy(name: str, target: str = "sound") -> RoutingPolicy:
    spec = {
        "models": [name],
        "targets": [{"name": "a", "backendRef": {"name": target}}],
        "routes": [{"name": "all", "weighted": {"targets": [{"name": "a"}]}}],
        "access": {"anonymous": {}},
    }
    metadata = {"name": name, "namespace": "n", "uid": name}
    return RoutingPolicy.model_validate({**API, "kind": "RoutingPolicy", "metadata": metadata, "spec": spec})


def served(planned: Plan) -> list[str]:
    return [router.config.name for router in planned.routers]


def test_a_defect_takes_away_only_the_object_that_meets_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def compile_backend(given: ModelBackend, *rest: Any) -> Any:
        return whole(given, *rest) if given.metadata.name != "unlucky" else 1 // 0

    whole = compiling.compile_backend
    monkeypatch.setattr(compiling, "compile_backend", compile_backend)
    monkeypatch.setattr(compiling, "check_template", lambda given, _: given.metadata.name != "odd" or 1 // 0)
    policies = [policy("odd"), policy("poor", "unlucky"), policy("plain")]
    with caplog.at_level(logging.ERROR):
        planned = plan(policies, [backend("sound"), backend("unlucky")], Observed())
    assert served(planned) == ["plain-router", "poor-router"]
    found = [(problem.kind, problem.name, problem.reason) for problem in planned.problems]
    assert found[:2] == [("ModelBackend", "unlucky", "InternalError"), ("RoutingPolicy", "odd", "InternalError")]
    assert {reason for _, name, reason in found[2:] if name == "poor"} == {"BackendInvalid", "NoResolvedTarget"}
    assert all(problem.invalidates and "ZeroDivisionError" in problem.message for problem in planned.problems[:2])
    assert caplog.text.count("Traceback") == 2
