"""A pod spec is free: whatever somebody writes there, the planner says what is wrong, and falls over nothing."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from signalbox.api import RoutingPolicy
from signalbox.plan.children.pod import customized, pod_template
from signalbox.plan.children.podtemplate import PATH, check_template
from signalbox.plan.children.settings import OperatorSettings
from signalbox.plan.problems import Problem

NAMES = st.sampled_from(
    [
        "$patch",
        "$other",
        "args",
        "command",
        "containerPort",
        "containers",
        "env",
        "initContainers",
        "mountPath",
        "name",
        "ports",
        "securityContext",
        "serviceAccountName",
        "value",
        "volumeMounts",
        "volumes",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["router", "config", "delete", "replace", ""])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_any_pod_spec_is_judged(spec: dict[str, Any]) -> None:
    policy = RoutingPolicy.model_validate(
        {
            "apiVersion": "signalbox.dev/v1alpha1",
            "kind": "RoutingPolicy",
            "metadata": {"name": "chat", "namespace": "team"},
            "spec": {
                "models": ["auto"],
                "targets": [{"name": "a", "backendRef": {"name": "a"}}],
                "routes": [{"name": "all", "weighted": {"targets": [{"name": "a"}]}}],
                "access": {"anonymous": {}},
                "router": {"deployment": {"podTemplate": {"spec": spec}}},
            },
        }
    )
    problems: list[Problem] = []
    check_template(policy, problems.append)
    assert all(each.path.startswith(f"{PATH}.spec") for each in problems)
    if not problems:
        deployment = policy.spec.deployment_in_force
        made = pod_template("chat-router", 0, OperatorSettings(image="image"), deployment)
        customized(made, {}, deployment.pod_template)
