"""One pair of files for each behaviour of the plan: NAME.in.yaml is what is there, NAME.out.yaml what follows, and
NAME.feedback.yaml what the feedback loop works on, where that is of interest.

The first document of the input may be ``observed: {services, secrets, configMaps, invalidBackends, replicas, faults,
kept, artefacts}``; the others are resources. After a change that is meant, ``pytest tests/plan --regenerate`` writes
the outputs; read the difference.
"""

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from signalbox.api import ModelBackend, RoutingPolicy
from signalbox.plan.children.names import SERVING_CERTIFICATE, SERVING_KEY
from signalbox.plan.compile import Plan, plan
from signalbox.plan.feedback import Followed, feedback_plan
from signalbox.plan.observed import Observed
from signalbox.routing.config import content_hash, decode, encode

GOLDEN = Path(__file__).parent / "golden"
LOOPS = ["signals", "failover", "weighted"]
NAMES = sorted(file.name.removesuffix(".in.yaml") for file in GOLDEN.glob("*.in.yaml"))


class _Strings(yaml.SafeLoader):
    """Dates as strings, as in JSON."""


_Strings.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read(name: str) -> tuple[list[RoutingPolicy], list[ModelBackend], Observed]:
    documents: list[dict[str, Any]] = list(yaml.load_all((GOLDEN / f"{name}.in.yaml").read_text(), Loader=_Strings))
    seen: dict[str, Any] = {}
    if "observed" in documents[0]:
        seen = documents.pop(0)["observed"]
    observed = msgspec.convert(
        {
            "services": seen.get("services", {}),
            "secrets": {name: list(keys) for name, keys in seen.get("secrets", {}).items()},
            "config_maps": {name: list(keys) for name, keys in seen.get("configMaps", {}).items()},
            "faults": seen.get("faults", {}),
            "kept": seen.get("kept", {}),
            "replicas": seen.get("replicas", {}),
            "artefacts": seen.get("artefacts", {}),
            "invalid_backends": seen.get("invalidBackends", []),
        },
        Observed,
    )
    policies = [RoutingPolicy.model_validate(d) for d in documents if d["kind"] == "RoutingPolicy"]
    backends = [ModelBackend.model_validate(d) for d in documents if d["kind"] == "ModelBackend"]
    assert len(policies) + len(backends) == len(documents)
    return policies, backends, observed


def render(planned: Plan) -> str:
    routers = [
        {
            "hash": content_hash(encode(router.config)),
            "config": msgspec.to_builtins(router.config),
            "entries": msgspec.to_builtins(router.entries),
        }
        for router in planned.routers
    ]
    data = {"problems": msgspec.to_builtins(planned.problems), "routers": routers}
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120)


def render_loop(followed: Followed) -> str:
    plan, rows = followed.plan, msgspec.to_builtins
    data = {
        "backends": [rows(each) for each in plan.backends.values()],
        "sets": [rows(key) | rows(each) for key, each in plan.sets.items()],
        "spills": [rows(key) | rows(each) for key, each in plan.spills.items()],
        "scrapes": [rows(each) for each in followed.scrapes],
    }
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120)


@pytest.mark.parametrize("name", LOOPS)
def test_what_the_loop_works_on(name: str, request: pytest.FixtureRequest) -> None:
    followed = feedback_plan(plan(*read(name)))
    got = render_loop(followed)
    output = GOLDEN / f"{name}.feedback.yaml"
    if request.config.getoption("--regenerate", default=False):
        output.write_text(got)
    assert yaml.safe_load(output.read_text()) == yaml.safe_load(got)
    for scrape in followed.scrapes:
        assert scrape.key in followed.plan.backends[scrape.backend].endpoints
    for each in followed.plan.sets.values():
        assert {share.backend for share in each.shares} <= followed.plan.backends.keys()


@pytest.mark.parametrize("name", NAMES)
def test_plan(name: str, request: pytest.FixtureRequest) -> None:
    policies, backends, observed = read(name)
    got = render(plan(policies, backends, observed))
    output = GOLDEN / f"{name}.out.yaml"
    if request.config.getoption("--regenerate", default=False):
        output.write_text(got)
    assert yaml.safe_load(output.read_text()) == yaml.safe_load(got)


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_the_input_does_not_matter(name: str) -> None:
    policies, backends, observed = read(name)
    expected = plan(policies, backends, observed)
    for seed in range(3):
        shuffled = random.Random(seed)
        shuffled.shuffle(policies)
        shuffled.shuffle(backends)
        got = plan(policies, backends, observed)
        assert got == expected
        assert [encode(r.config) for r in got.routers] == [encode(r.config) for r in expected.routers]


@pytest.mark.parametrize("name", NAMES)
def test_configurations_survive_the_wire_and_name_every_entry(name: str) -> None:
    for router in plan(*read(name)).routers:
        data = encode(router.config)
        assert decode(data) == router.config
        assert encode(decode(data)) == data
        assert router.config.secret_entries() == router.entries.keys() - {SERVING_CERTIFICATE, SERVING_KEY}
        assert all(len(entry) <= 253 for entry in router.entries)


def test_every_output_has_an_input() -> None:
    assert sorted(file.name.removesuffix(".out.yaml") for file in GOLDEN.glob("*.out.yaml")) == NAMES
