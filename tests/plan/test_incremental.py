"""A plan that is made of parts of earlier ones is the plan that is made from nothing."""

import json
from functools import cache, partial
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signalbox.api import ModelBackend, RoutingPolicy
from signalbox.plan.compile import Parts, Plan, plan, planning
from signalbox.plan.memory import Memory
from signalbox.plan.observed import Observed, Service
from signalbox.plan.outlines import Source, outline_of_backend, outline_of_policy
from signalbox.routing.address_rules import AddressRules, parse_networks
from signalbox.routing.config import Address

BACKENDS = ("a", "b", "c")
POLICIES = ("p", "q", "r")
SECRETS = ("s", "t")

Edit = tuple[str, str, Any]  # what, its name, and what it is now; None where it is gone

backend_specs = st.fixed_dictionaries(
    {"model": st.sampled_from(["m", "n"])},
    optional={"auth": st.sampled_from(SECRETS).map(lambda s: {"apiKey": {"secretRef": {"name": s, "key": "key"}}})},
).flatmap(
    lambda spec: st.sampled_from(
        [
            {"url": "https://api.example.com/v1"},
            {"url": "https://10.0.0.1/v1"},
            {"url": "http://[1:2]:80/v1"},
            {"serviceRef": {"name": "engine", "port": 80}},
        ]
    ).map(lambda place: {**spec, **place})
)


def policy_spec(targets: list[str], model: str, group: str | None, when: str | None, tenant: str | None) -> Any:
    names = [f"t{number}" for number in range(len(targets))]
    routes: list[Any] = [{"name": "rest", "weighted": {"targets": [{"name": name} for name in names]}}]
    if when is not None:
        routes.insert(0, {"name": "first", "when": when, "weighted": {"targets": [{"name": names[0]}]}})
    keys = [{"secretRef": {"name": tenant}}]
    return {
        "models": [model],
        "access": {"tenants": [{"name": "x", "keysFrom": keys}]} if tenant else {"anonymous": {}},
        "targets": [
            {"name": name, "backendRef": {"name": backend}} for name, backend in zip(names, targets, strict=True)
        ],
        "routes": routes,
        **({"router": {"deployment": {"group": group}}} if group else {}),
    }


policy_specs = st.builds(
    policy_spec,
    st.lists(st.sampled_from(BACKENDS), min_size=1, max_size=3),
    st.sampled_from(["one", "two"]),
    st.sampled_from([None, "g"]),
    st.sampled_from([None, "query.chars < 50", "query.nothing"]),
    st.sampled_from([None, *SECRETS]),
)
edits = st.one_of(
    st.tuples(st.just("backend"), st.sampled_from(BACKENDS), st.none() | backend_specs),
    st.tuples(st.just("policy"), st.sampled_from(POLICIES), st.none() | policy_specs),
    st.tuples(st.just("secret"), st.sampled_from(SECRETS), st.none() | st.sampled_from([("key",), ("other",)])),
    st.tuples(st.just("service"), st.sampled_from(BACKENDS), st.none() | st.sampled_from(["10.0.0.1", "10.0.0.2"])),
    st.tuples(st.just("fault"), st.sampled_from(SECRETS), st.none() | st.just("no certificate")),
    st.tuples(st.just("kept"), st.sampled_from(BACKENDS), st.none() | st.just(True)),
    st.tuples(st.just("invalid"), st.sampled_from(BACKENDS), st.none() | st.just(True)),
    st.tuples(st.just("replicas"), st.sampled_from(["p-router", "g-group"]), st.none() | st.integers(1, 3)),
    st.tuples(st.just("closed"), st.just(""), st.none() | st.just("10.0.0.0/8")),
)

Same = TypeVar("Same")
World = dict[str, dict[str, Any]]


def same(thing: Same) -> Same:
    return thing


def nothing() -> World:
    kinds = ("backend", "policy", "secret", "service", "fault", "kept", "invalid", "replicas", "closed")
    return {kind: {} for kind in kinds}


def observed(world: World) -> Observed:
    closed = world["closed"].get("")
    return Observed(
        services={
            name: Service(endpoints=(Address(host=host, port=80),), total=1) for name, host in world["service"].items()
        },
        secrets={name: frozenset(keys) for name, keys in world["secret"].items()},
        invalid_backends=frozenset(world["invalid"]),
        addresses=AddressRules(deny=parse_networks([closed])) if closed else None,
        replicas=world["replicas"],
        faults={f"Secret/{name}/key": fault for name, fault in world["fault"].items()},
        kept={"chat-router": frozenset(f"backend.{name}.apiKey" for name in world["kept"])},
    )


@cache
def model(kind: type[RoutingPolicy | ModelBackend], name: str, spec: str) -> Any:
    metadata = {"name": name, "namespace": "n", "uid": name}
    data = {"apiVersion": "signalbox.dev/v1alpha1", "kind": kind.__name__, "metadata": metadata}
    return kind.model_validate(data | {"spec": json.loads(spec)})


def models(world: World) -> tuple[dict[str, RoutingPolicy], dict[str, ModelBackend]]:
    policies = {name: model(RoutingPolicy, name, json.dumps(spec)) for name, spec in world["policy"].items()}
    return policies, {name: model(ModelBackend, name, json.dumps(spec)) for name, spec in world["backend"].items()}


def incremental(world: World, parts: Parts) -> Plan:
    policies, backends = models(world)
    sources = (
        [Source(outline_of_policy(one), world["policy"][name], partial(same, one)) for name, one in policies.items()],
        [Source(outline_of_backend(one), world["backend"][name], partial(same, one)) for name, one in backends.items()],
    )
    steps = planning(*sources, observed(world), (), parts)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            made: Plan = end.value
            return made


@settings(max_examples=100, deadline=None)
@given(st.lists(edits, min_size=1, max_size=12))
def test_parts_of_earlier_plans_make_the_same_plan(made: list[Edit]) -> None:
    world = nothing()
    auth = {"apiKey": {"secretRef": {"name": "s", "key": "key"}}}
    world["backend"] = {name: {"model": "m", "url": "https://api.example.com/v1", "auth": auth} for name in BACKENDS}
    world["policy"] = {name: policy_spec([BACKENDS[0]], name, None, "query.chars < 50", None) for name in POLICIES}
    world["secret"] = {"s": ("key",)}
    parts = Parts()
    for kind, name, what in made:
        world[kind].pop(name, None)
        if what is not None:
            world[kind][name] = what
        policies, backends = models(world)
        assert incremental(world, parts) == plan(policies.values(), backends.values(), observed(world))


def test_only_what_differs_is_compiled_again() -> None:
    world = nothing()
    world["backend"] = {name: {"model": "m", "url": "https://api.example.com/v1"} for name in BACKENDS}
    world["policy"] = {name: policy_spec([target], name, None, None, None) for name, target in (("p", "a"), ("q", "b"))}
    parts = Parts()
    before = {router.config.name: router for router in incremental(world, parts).routers}
    world["backend"]["b"] = {"model": "n", "url": "https://api.example.com/v1"}
    after = {router.config.name: router for router in incremental(world, parts).routers}
    assert after["p-router"] is before["p-router"]
    assert after["q-router"] != before["q-router"]
    del world["policy"]["q"]
    incremental(world, parts)
    assert (len(parts.policies), len(parts.routes), len(parts.routers), len(parts.backends)) == (1, 1, 1, 3)


@pytest.mark.parametrize("other", ["made from another", "forgotten"])
def test_what_differs_is_not_remembered(other: str) -> None:
    memory: Memory[str] = Memory()
    assert memory.put("name", (1, "x"), "made") == memory.get("name", (1, "x")) == "made"
    if other == "forgotten":
        memory.keep(())
    assert memory.get("name", (2 if other != "forgotten" else 1, "x")) is None
