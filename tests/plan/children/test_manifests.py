"""Golden manifests: NAME.in.yaml is what is planned, NAME.out.yaml the children of every router.

The first document of the input says what else is known: ``{secrets, replicas, settings}``.
"""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from signalbox.api import ModelBackend, RoutingPolicy
from signalbox.plan.children import OperatorSettings, children
from signalbox.plan.compile import plan
from signalbox.plan.observed import Observed
from signalbox.plan.outlines import outline_of_policy

GOLDEN = Path(__file__).parent / "golden"
NAMES = sorted(file.name.removesuffix(".in.yaml") for file in GOLDEN.glob("*.in.yaml"))


def settings_of(given: dict[str, Any]) -> OperatorSettings:
    return msgspec.convert({"image": "example.com/signalbox:1", **given.get("settings", {})}, OperatorSettings)


def manifests(name: str) -> list[dict[str, Any]]:
    given, *documents = list(yaml.safe_load_all((GOLDEN / f"{name}.in.yaml").read_text()))
    policies = {
        d["metadata"]["name"]: RoutingPolicy.model_validate(d) for d in documents if d["kind"] == "RoutingPolicy"
    }
    backends = [ModelBackend.model_validate(d) for d in documents if d["kind"] == "ModelBackend"]
    observed = Observed(secrets={name: tuple(keys) for name, keys in given.get("secrets", {}).items()})
    found = []
    for router in plan(policies.values(), backends, observed).routers:
        contents = dict.fromkeys(router.entries, b"content")
        found += children(
            router,
            {name: outline_of_policy(one) for name, one in policies.items()},
            contents,
            settings_of(given),
            given.get("replicas"),
        )
    return found


@pytest.mark.parametrize("name", NAMES)
def test_children(name: str, request: pytest.FixtureRequest) -> None:
    got = yaml.safe_dump_all(manifests(name), sort_keys=False, width=120)
    output = GOLDEN / f"{name}.out.yaml"
    if request.config.getoption("--regenerate", default=False):
        output.write_text(got)
    assert list(yaml.safe_load_all(output.read_text())) == list(yaml.safe_load_all(got))


def test_an_edit_of_a_policy_leaves_the_pods_alone() -> None:
    one, other = manifests("plain"), manifests("edited")
    assert [m for m in one if m["kind"] == "Deployment"] == [m for m in other if m["kind"] == "Deployment"]
    assert [m for m in one if m["kind"] == "ConfigMap"] != [m for m in other if m["kind"] == "ConfigMap"]
