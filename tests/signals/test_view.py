"""What people see says what the law decided, and why."""

import msgspec
import pytest

from signalbox.feedback.backends import Load
from signalbox.feedback.law import Outcome, State, Weight
from signalbox.feedback.plan import Backend, Plan, SetKey, Share, Spill, TargetSet
from signalbox.signals.flows import Flow, Flows, Way
from signalbox.signals.view import BackendView, View, view

NOW = 100.0
PLAN = Plan(
    backends={
        "a": Backend(name="a", model="m", engine="VLLM", endpoints=("1", "2")),
        "b": Backend(name="b", endpoints=("3",)),
        "idle": Backend(name="idle"),
    },
    sets={
        SetKey("p", "free"): TargetSet(shares=(Share("x", "a"), Share("y", "b")), mode="Observe", stale_after=9.0),
        SetKey("p", "down", 1): TargetSet(shares=(Share("y", "b"),), stale_after=20.0),
        SetKey("p", "down", 0): TargetSet(shares=(Share("x", "a", 3),)),
    },
    spills={SetKey("p", "down"): Spill(0.8, 1.0)},
)
OUTCOME = Outcome(
    state=State(),
    loads={
        "a": Load(
            usable=2, observed_at=97.0, running=8.0, waiting=4.0, kv_usage=0.5, utilization=1.2, capacity=600.0,
            length=100.0, work=550.0,
        ),
        "b": Load(usable=1, length=300.0, running=2.0),
    },
    weights={
        SetKey("p", "free"): (
            Weight(target="x", base=0.7, effective=0.4, reason="Load", observed_at=97.0),
            Weight(target="y", base=0.3, effective=0.6, reason="Base"),
        ),
        SetKey("p", "down", 0): (Weight(target="x", base=1.0, effective=1.0, reason="Declared", observed_at=97.0),),
    },
    spills={SetKey("p", "down"): 0.25},
)  # fmt: skip
FLOWS = Flows(
    backends={"a": Flow(requests=3.0, tokens=9.0, errors=0.5, first_token=0.2, known=3, usable=1, causes=("connect",))},
    ways={"p": {"free": {"x": Way(requests=2.0, errors=0.1)}, "deleted": {"x": Way(requests=1.0)}}},
)


def shown(**more: object) -> View:
    problems = {"a": {"1": "time-out", "2": "time-out"}}
    return view(msgspec.structs.replace(OUTCOME, **more), PLAN, FLOWS, problems, NOW, 1_700_000_000.0)


def test_a_policy_shows_the_routes_that_it_has_in_the_order_of_the_plan() -> None:
    (policy,) = shown().policies
    assert (policy.name, policy.mode, policy.requests, policy.stale_after) == ("p", "Observe", 2.0, 9.0)
    assert [(route.name, route.spill, len(route.sets)) for route in policy.routes] == [
        ("free", None, 1),
        ("down", 0.25, 2),
    ]


def test_a_target_shows_weight_base_reason_and_what_came_of_it() -> None:
    x, y = shown().policies[0].routes[0].sets[0].targets
    assert (x.backend, x.base, x.effective, x.reason, x.age) == ("a", 0.7, 0.4, "Load", 3.0)
    assert (x.requests, x.errors) == (2.0, 0.1)
    assert (y.reason, y.age, y.requests, y.errors) == ("Base", None, 0.0, None)


def test_tiers_are_in_their_order_and_one_without_weights_yet_says_none() -> None:
    first, second = shown().policies[0].routes[1].sets
    assert (first.tier, first.declared, first.targets[0].reason) == (0, True, "Declared")
    assert (second.tier, second.declared, second.targets[0].effective) == (1, False, None)


def test_a_backend_shows_its_load_and_what_is_wrong() -> None:
    a, b, idle = shown().backends
    assert a == BackendView(
        name="a", model="m", engine="VLLM", running=8.0, waiting=4.0, kv_usage=0.5, utilization=1.2, tokens=550.0,
        capacity=600.0, delay=2.0, requests=3.0, errors=0.5, first_token=0.2, age=3.0, stale_after=15.0, ready=1,
        total=3, problems=("time-out (2 endpoints)", "connect"),
    )  # fmt: skip
    assert (b.age, b.ready, b.total, b.stale_after, b.delay) == (None, 1, 1, 20.0, None)
    assert (idle.ready, idle.total, idle.stale_after, idle.running) == (0, 0, None, 0.0)


def test_where_no_router_has_a_usable_endpoint_none_is_ready() -> None:
    loads = {**OUTCOME.loads, "b": Load(usable=0, length=300.0)}
    assert shown(loads=loads).backends[1].ready == 0


def test_a_sample_of_the_future_is_not_younger_than_now() -> None:
    loads = {"a": msgspec.structs.replace(OUTCOME.loads["a"], observed_at=NOW + 1.0)}
    assert shown(loads=loads).backends[0].age == 0.0


def test_names_travel_as_the_page_reads_them() -> None:
    sent = msgspec.to_builtins(shown())
    assert {"kvUsage", "firstToken", "staleAfter"} <= sent["backends"][0].keys()
    assert sent["policies"][0]["routes"][0]["sets"][0]["targets"][0]["effective"] == pytest.approx(0.4)


def test_where_feedback_is_disabled_the_shares_that_routers_go_by_are_shown() -> None:
    sets = {
        SetKey("p", "said"): TargetSet(shares=(Share("x", "a", 3), Share("y", "b", 1)), mode="Disabled"),
        SetKey("p", "unsaid"): TargetSet(shares=(Share("x", "a"), Share("y", "b")), mode="Disabled"),
        SetKey("p", "nothing"): TargetSet(shares=(Share("x", "a", 0),), mode="Disabled"),
    }
    plan = msgspec.structs.replace(PLAN, sets=sets)
    routes = view(OUTCOME, plan, Flows(), {}, NOW, 0.0).policies[0].routes
    found = [[(target.effective, target.reason) for target in route.sets[0].targets] for route in routes]
    assert found == [[(0.75, "Declared"), (0.25, "Declared")], [(0.5, "Base"), (0.5, "Base")], [(1.0, "Declared")]]
