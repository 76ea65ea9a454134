"""A ConfigMap holds 1 MiB: what does not fit is refused by name, or found in another way."""

from collections.abc import Sequence

import msgspec

from signalbox.api import ModelBackend, RoutingPolicy
from signalbox.plan.children import OperatorSettings, children
from signalbox.plan.children.mounted import CONFIG_MAP_BYTES, MAX_BYTES
from signalbox.plan.compile import Plan, plan
from signalbox.plan.lastgood import POLICIES_KEY, Record, kept
from signalbox.plan.observed import Observed, Service
from signalbox.plan.outlines import outline_of_policy
from signalbox.routing.config import Address, Trained, content_hash, decode, encode

API = {"apiVersion": "signalbox.dev/v1alpha1"}
SETTINGS = OperatorSettings(image="i")


def policy(name: str, comparisons: int, targets: Sequence[str] = ("a",), born: int = 1) -> RoutingPolicy:
    """In one group with all others; its routes compare so many numbers altogether."""
    numbers = [f"query.chars == {number}" for number in range(comparisons)]
    routes = [
        {
            "name": f"r{start}",
            "when": " || ".join(numbers[start : start + 100]),
            "weighted": {"targets": [{"name": "t0"}]},
        }
        for start in range(0, comparisons, 100)
    ]
    metadata = {"name": name, "namespace": "n", "uid": name, "creationTimestamp": f"2026-01-0{born}T00:00:00Z"}
    spec = {
        "models": [name],
        "targets": [{"name": f"t{index}", "backendRef": {"name": target}} for index, target in enumerate(targets)],
        "routes": [*routes, {"name": "rest", "weighted": {"targets": [{"name": "t0"}]}}],
        "access": {"anonymous": {}},
        "router": {"deployment": {"group": "all"}},
    }
    return RoutingPolicy.model_validate({**API, "kind": "RoutingPolicy", "metadata": metadata, "spec": spec})


def backend(name: str) -> ModelBackend:
    spec = {"model": "m", "serviceRef": {"name": name, "port": 80}}
    return ModelBackend.model_validate(
        {**API, "kind": "ModelBackend", "metadata": {"name": name, "namespace": "n"}, "spec": spec}
    )


def service(name: str, pods: int) -> Service:
    addresses = tuple(Address(host=f"10.1.{number // 256}.{number % 256}", port=8000) for number in range(pods))
    return Service(endpoints=addresses, total=pods, dns=Address(host=f"{name}.n.svc", port=80))


def planned(policies: Sequence[RoutingPolicy], **pods: int) -> Plan:
    services = {name: service(name, number) for name, number in pods.items()}
    return plan(policies, [backend(name) for name in pods], Observed(services=services))


def refused(found: Plan) -> set[tuple[str, str]]:
    return {(problem.name, problem.reason) for problem in found.problems if problem.severity == "error"}


def test_of_a_group_that_is_too_large_the_youngest_are_refused_and_the_small_stay() -> None:
    large = [policy(f"p{born}", 2500, born=born) for born in range(1, 5)]
    found = planned([policy("small", 1, born=9), *reversed(large)], a=1)
    (router,) = found.routers
    assert len(encode(router.config)) <= MAX_BYTES
    assert router.members[0] == "p1"
    assert router.members[-1] == "small"
    assert refused(found) == {(name, "ConfigTooLarge") for name in {p.metadata.name for p in large} - {*router.members}}
    assert all(f"{MAX_BYTES:,}" in problem.message for problem in found.problems if problem.severity == "error")


def test_very_many_endpoints_are_told_and_not_mounted() -> None:
    member = policy("p", 1, ["a", "b"])
    found = planned([member], a=40_000, b=2)
    assert refused(found) == set()
    (router,) = found.routers
    whole = {each.name: each for each in router.config.backends}
    assert len(whole["a"].endpoints) == 40_000
    config_map = next(
        each
        for each in children(router, {"p": outline_of_policy(member)}, {}, SETTINGS, None)
        if each["kind"] == "ConfigMap"
    )
    file = decode(config_map["data"]["config.json"].encode())
    assert {each.name: each for each in file.backends} == {
        "a": msgspec.structs.replace(whole["a"], endpoints=()),
        "b": whole["b"],
    }
    named = config_map["metadata"]["annotations"]["signalbox.dev/config-hash"]
    assert named == content_hash(encode(router.config)), "what routers are told, and say that they have"


def test_records_have_the_room_that_the_configuration_leaves() -> None:
    members = [policy("p1", 2500), policy("p2", 1, born=2)]
    found = planned(members, a=1)
    spec = {"text": "the same again " * 100_000}
    records = {
        POLICIES_KEY: {
            "p1": Record(uid="1", generation=1, spec=spec),
            "p2": Record(uid="2", generation=1, spec={"models": ["p2"]}),
        }
    }
    by_name = {member.metadata.name: outline_of_policy(member) for member in members}
    (config_map,) = (
        each for each in children(found.routers[0], by_name, {}, SETTINGS, None, records) if each["kind"] == "ConfigMap"
    )
    assert kept(config_map, POLICIES_KEY) == records[POLICIES_KEY]
    assert sum(map(len, config_map["data"].values())) < CONFIG_MAP_BYTES


def learned(name: str, classifiers: int, born: int, comparisons: int = 1) -> RoutingPolicy:
    """With so many trained classifiers."""
    source = {"configMapKeyRef": {"name": "m", "key": "k"}}
    given = policy(name, comparisons, born=born).model_dump(mode="json", by_alias=True, exclude_none=True)
    given["spec"]["classifiers"] = [
        {"name": f"c{number}", "labels": ["x", "y"], "default": "x", "trained": {"modelFrom": source}}
        for number in range(classifiers)
    ]
    return RoutingPolicy.model_validate(given)


def test_models_have_the_room_that_is_left_and_put_nobody_out() -> None:
    members = [learned("elder", 2, born=1), learned("younger", 2, born=2), policy("plain", 2500, born=3)]
    artefacts = {
        f"{name}/classifier/c{number}": bytes([number]) * 200_000 for name in ("elder", "younger") for number in (0, 1)
    }
    observed = Observed(services={"a": service("a", 1)}, config_maps={"m": ["k"]}, artefacts=artefacts)
    found = plan(members, [backend("a")], observed)
    (router,) = found.routers
    assert router.members == ("elder", "younger", "plain")
    assert len(encode(router.config)) <= MAX_BYTES
    models = {
        f"{each.name}/classifier/{one.name}": one.source.model
        for each in router.config.policies
        for one in each.classifiers
        if isinstance(one.source, Trained) and one.source.model
    }
    assert models.items() <= artefacts.items()
    assert 1 <= len(models) < 4
    missing = {key.partition("/")[0] for key in artefacts.keys() - models.keys()}
    too_large = [problem for problem in found.problems if problem.reason == "ModelsTooLarge"]
    assert {(problem.name, problem.condition) for problem in too_large} == {(name, "ResolvedRefs") for name in missing}
