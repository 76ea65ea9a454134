"""Golden injections: NAME.in.yaml is a pod and what is known, NAME.out.yaml the JSON patch and the pod after it."""

import copy
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from signalbox.plan.children import OperatorSettings
from signalbox.plan.sidecars.injection import CONTAINER, PlannedSidecar, injection, is_injected, warnings

GOLDEN = Path(__file__).parent / "injection"
NAMES = sorted(file.name.removesuffix(".in.yaml") for file in GOLDEN.glob("*.in.yaml"))
SIDECAR = PlannedSidecar(name="chat-router", port=15080)
SETTINGS = OperatorSettings(image="example.com/signalbox:1")
Pod = dict[str, Any]


def patched(pod: Pod, operations: list[dict[str, Any]]) -> Pod:
    """The part of RFC 6902 that is used: add and replace."""
    after = copy.deepcopy(pod)
    for operation in operations:
        *steps, last = operation["path"].removeprefix("/").split("/")
        place: Any = after
        for step in steps:
            place = place[int(step)] if isinstance(place, list) else place[step]
        if isinstance(place, list) and operation["op"] == "add":
            place.insert(len(place) if last == "-" else int(last), operation["value"])
        else:
            place[int(last) if isinstance(place, list) else last] = operation["value"]
    return after


@pytest.mark.parametrize("name", NAMES)
def test_injection(name: str, request: pytest.FixtureRequest) -> None:
    known, pod = yaml.safe_load_all((GOLDEN / f"{name}.in.yaml").read_text())
    settings = msgspec.convert({"image": "example.com/signalbox:1", **known.get("settings", {})}, OperatorSettings)
    sidecar = msgspec.convert(known.get("sidecar"), PlannedSidecar | None)
    patch = injection(pod, sidecar, settings)
    after = patched(pod, patch)
    assert injection(after, sidecar, settings) == []
    assert is_injected(after, settings.image) is (sidecar is not None)
    got = yaml.safe_dump_all([patch, after], sort_keys=False, width=120)
    output = GOLDEN / f"{name}.out.yaml"
    if request.config.getoption("--regenerate", default=False):
        output.write_text(got)
    assert list(yaml.safe_load_all(output.read_text())) == list(yaml.safe_load_all(got))


def test_who_sets_variables_from_elsewhere_is_told_what_wins() -> None:
    """In Kubernetes ``env`` comes before ``envFrom``, and what is in there cannot be seen."""
    source = [{"configMapRef": {"name": "settings"}}]
    said = {"name": "OPENAI_BASE_URL", "value": "http://elsewhere/v1"}
    containers = [
        {"name": "hidden", "envFrom": source},
        {"name": "explicit", "envFrom": source, "env": [said]},
        {"name": "plain"},
        {"name": "more", "envFrom": source, "env": [{"name": "A", "value": "b"}]},
    ]
    pod: Pod = {"spec": {"containers": containers}}
    patch = injection(pod, SIDECAR, SETTINGS)
    told = warnings(pod, patch)
    assert [each.partition(":")[0] for each in told] == ["container hidden", "container more"]
    assert all(len(each) <= 256 for each in told)
    assert patched(pod, patch)["spec"]["containers"][1]["env"] == [said]
    after = patched(pod, patch)
    assert warnings(after, injection(after, SIDECAR, SETTINGS)) == []


def test_every_output_has_an_input() -> None:
    assert sorted(file.name.removesuffix(".out.yaml") for file in GOLDEN.glob("*.out.yaml")) == NAMES


names = st.sampled_from(["app", "tools", "x", CONTAINER])
variables = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from(["A", "OPENAI_BASE_URL"]), "value": st.just("v")}), max_size=2
)
containers = st.lists(
    st.fixed_dictionaries({"name": names, "image": st.just("i")}, optional={"env": variables}),
    min_size=1,
    max_size=3,
    unique_by=lambda container: container["name"],
)
pods = st.fixed_dictionaries(
    {
        "metadata": st.just({"labels": {"signalbox.dev/inject": "chat"}}),
        "spec": st.fixed_dictionaries(
            {"containers": containers},
            optional={
                "initContainers": containers,
                "volumes": st.lists(st.just({"name": "signalbox-tmp", "hostPath": {"path": "/"}}), max_size=1),
            },
        ),
    }
)


@given(pods)
def test_any_pod_gets_it_once(pod: Pod) -> None:
    before = copy.deepcopy(pod)
    after = patched(pod, injection(pod, SIDECAR, SETTINGS))
    assert pod == before
    assert is_injected(after, SETTINGS.image)
    assert injection(after, SIDECAR, SETTINGS) == []
    assert [c["name"] for c in after["spec"]["initContainers"]].count(CONTAINER) == 1
    mounted = {mount["name"] for c in after["spec"]["initContainers"] for mount in c.get("volumeMounts", ())}
    assert mounted <= {volume["name"] for volume in after["spec"]["volumes"]}
    for old, new in zip(pod["spec"]["containers"], after["spec"]["containers"], strict=True):
        assert [v["name"] for v in new["env"]].count("OPENAI_BASE_URL") >= 1
        assert new["env"][: len(old.get("env", ()))] == old.get("env", [])
        assert "OPENAI_API_KEY" not in {v["name"] for v in new["env"]}


@pytest.mark.parametrize(
    ("change", "injected"),
    [
        ({}, True),
        ({"metadata": {"annotations": {"signalbox.dev/inject": "chat"}}}, False),
        ({"spec": {"containers": [{"name": CONTAINER, "image": "i", "restartPolicy": "Always"}]}}, False),
        ({"spec": {"initContainers": [{"name": CONTAINER, "image": "other", "restartPolicy": "Always"}]}}, False),
        ({"spec": {"initContainers": [{"name": CONTAINER, "image": "i"}]}}, False),
        ({"spec": {}}, False),
        ({"metadata": {}}, False),
    ],
)
def test_what_counts_as_injected(change: Pod, injected: bool) -> None:
    pod = {
        "metadata": {"labels": {"signalbox.dev/inject": "chat"}},
        "spec": {"initContainers": [{"name": CONTAINER, "image": "i", "restartPolicy": "Always"}]},
    }
    assert is_injected(pod | change, "i") is injected
