"""How many endpoints are wanted: stories, and what holds whatever routers count."""

import math
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalbox.feedback.backends import BackendState, Load
from signalbox.feedback.demand import DRAIN_SECONDS, Demand, capacities, demand, parts
from signalbox.feedback.endpoints import Endpoint
from signalbox.feedback.plan import Backend, Plan, SetKey, Share, TargetSet

LENGTH = 100.0
Rates = dict[str, dict[str, dict[str, float]]]


def load(arrivals: float | None = None, waiting: float = 0.0, usable: int = 1) -> Load:
    return Load(usable=usable, length=LENGTH, arrivals=arrivals, waiting=waiting)


def plan(weights: Mapping[str, int | None], policies: tuple[str, ...] = ("p",), endpoints: int = 1) -> Plan:
    backends = {n: Backend(name=n, engine="VLLM", endpoints=("e",) * endpoints) for n in weights}
    each = TargetSet(shares=tuple(Share(f"to_{name}", name, weight) for name, weight in weights.items()))
    return Plan(backends=backends, sets={SetKey(policy, "r"): each for policy in policies})


def replicas(
    made: Plan,
    answered: Rates,
    capacity: Mapping[str, float],
    loads: Mapping[str, Load] | None = None,
    shed: Mapping[str, float] | None = None,
) -> dict[str, float | None]:
    found = demand(made, loads or {name: load() for name in made.backends}, capacity, answered, shed or {})
    return {name: each.replicas for name, each in found.items()}


def came(**rates: float) -> Rates:
    return {"p": {"r": {f"to_{name}": rate for name, rate in rates.items()}}}


def test_what_was_moved_away_is_still_wanted() -> None:
    made, capacity = plan({"a": 9, "b": 1}), {"a": 500.0, "b": 500.0}
    assert replicas(made, came(a=9, b=1), capacity) == {"a": pytest.approx(1.8), "b": pytest.approx(0.2)}
    moved = replicas(made, came(a=4, b=6), capacity)
    assert moved["a"] == pytest.approx(1.8)
    assert moved["b"] == pytest.approx(1.2)  # it bears that load now, and must not shrink under it


def test_without_shares_it_goes_by_capacity() -> None:
    capacity = {"a": 100.0, "b": 300.0}
    assert replicas(plan({"a": None, "b": None}), came(a=2, b=2), capacity)["b"] == pytest.approx(1.0)
    assert replicas(plan({"a": None, "b": None}), came(a=4, b=0), capacity)["b"] == pytest.approx(1.0)
    assert parts(TargetSet(shares=(Share("x", "a"), Share("y", "new"))), {}, capacity) == [0.0, 0.0]


def test_a_backend_without_an_endpoint_is_wanted_as_one() -> None:
    made = plan({"a": None, "b": None})
    backends = {**made.backends, "b": Backend(name="b", engine="VLLM", endpoints=())}
    gone = Plan(backends=backends, sets=made.sets)
    loads = {"a": load(10.0), "b": load(None, usable=0)}
    found = replicas(gone, came(a=10), {"a": 1000.0, "b": 1000.0}, loads)
    assert found == {"a": pytest.approx(1.0), "b": pytest.approx(0.5)}


def test_capacity_that_is_unknown_is_no_zero() -> None:
    found = demand(plan({"a": 1, "b": 1}), {"a": load(), "b": load()}, {"a": 100.0}, came(a=1, b=1), {})
    assert found["b"] == Demand(work=LENGTH, capacity=None)
    assert found["b"].replicas is None


def test_two_policies_that_share_backends_add_up() -> None:
    made, capacity = plan({"a": 1, "b": 1}, ("p", "q")), {"a": 100.0, "b": 100.0}
    rates = {"p": {"r": {"to_a": 1.0, "to_b": 3.0}}, "q": {"r": {"to_a": 6.0}}}
    loads = {"a": load(7.0), "b": load(3.0)}
    assert replicas(made, rates, capacity, loads) == {"a": pytest.approx(7.0), "b": pytest.approx(5.0)}


def test_what_comes_by_other_ways_counts() -> None:
    """From routes that choose by the request, and from those who ask engines themselves."""
    found = replicas(plan({"a": 1, "b": 1}), came(a=1, b=3), {"a": 100.0, "b": 100.0}, {"a": load(5.0), "b": load(3.0)})
    assert found == {"a": pytest.approx(6.0), "b": pytest.approx(3.0)}


def test_who_waits_and_who_was_turned_away_count() -> None:
    made, capacity = plan({"a": 1}), {"a": 100.0}
    waiting = {"a": load(2.0, waiting=DRAIN_SECONDS)}
    assert replicas(made, came(a=2), capacity, waiting)["a"] == pytest.approx(3.0)
    assert replicas(made, came(a=2), capacity, {"a": load(2.0)}, {"a": 4.0})["a"] == pytest.approx(6.0)


def test_who_was_turned_away_counts_beside_what_was_moved() -> None:
    found = replicas(plan({"a": 1, "b": 1}), came(a=2, b=8), {"a": 100.0, "b": 100.0}, None, {"a": 5.0, "b": 5.0})
    assert found == {"a": pytest.approx(10.0), "b": pytest.approx(13.0)}


def test_what_spills_is_wanted_in_the_first_tier_and_borne_by_the_second() -> None:
    backends = {n: Backend(name=n, engine="VLLM", endpoints=("e",)) for n in ("own", "rented")}
    sets = {
        SetKey("p", "r", 0): TargetSet(shares=(Share("to_own", "own"),)),
        SetKey("p", "r", 1): TargetSet(shares=(Share("to_rented", "rented"),)),
    }
    made, capacity = Plan(backends=backends, sets=sets), {"own": 100.0, "rented": 100.0}
    assert replicas(made, came(own=3, rented=1), capacity) == {"own": pytest.approx(4.0), "rented": pytest.approx(1.0)}
    assert replicas(made, came(own=4), capacity) == {"own": pytest.approx(4.0), "rented": 0.0}


def test_what_one_endpoint_does() -> None:
    backends = {
        "learned": Backend(name="learned", model="m", engine="VLLM", endpoints=("e", "f"), tokens_per_second=5.0),
        "gone": Backend(name="gone", model="m", engine="VLLM", tokens_per_second=5.0),
        "new": Backend(name="new", model="m", engine="VLLM", endpoints=("e",)),
        "declared": Backend(name="declared", engine="VLLM", tokens_per_second=5.0),
        "silent": Backend(name="silent", model="m", endpoints=("e",)),
        "other": Backend(name="other", model="n", engine="VLLM"),
    }
    known = {"e": Endpoint(first_at=0.0, capacity=90.0), "f": Endpoint(first_at=0.0, capacity=110.0)}
    states = {"learned": BackendState(endpoints=known)}
    found = capacities(Plan(backends=backends), states, {"gone": 70.0, "silent": 3.0})
    assert found == {"learned": 100.0, "gone": 70.0, "new": 100.0, "declared": 5.0}


rate = st.floats(0.0, 1e3)
size = st.floats(1.0, 1e4)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Plan, Rates, dict[str, float], dict[str, Load]]:
    names = [f"b{number}" for number in range(draw(st.integers(1, 4)))]
    backends = {
        n: Backend(name=n, engine="VLLM", endpoints=tuple(map(str, range(draw(st.integers(0, 3)))))) for n in names
    }
    sets = {}
    for policy in range(draw(st.integers(1, 3))):
        declared = draw(st.booleans())
        used = draw(st.lists(st.sampled_from(names), min_size=1, max_size=4))
        shares = tuple(Share(f"t{n}", b, draw(st.integers(0, 100)) if declared else None) for n, b in enumerate(used))
        sets[SetKey(f"p{policy}", "r")] = TargetSet(shares=shares)
    rates = {key.policy: {"r": {s.target: draw(rate) for s in each.shares}} for key, each in sets.items()}
    loads = {n: load(draw(st.none() | rate), draw(rate)) for n in names}
    capacity = {n: draw(size) for n in names if draw(st.booleans())}
    return Plan(backends=backends, sets=sets), rates, capacity, loads


@given(worlds())
def test_nothing_that_comes_is_forgotten(world: tuple[Plan, Rates, dict[str, float], dict[str, Load]]) -> None:
    made, rates, capacity, loads = world
    found = demand(made, loads, capacity, rates, {})
    assert found.keys() == made.backends.keys()
    for name, each in found.items():
        assert 0.0 <= each.work < float("inf")
        assert (each.replicas is None) == (name not in capacity)
        assert each.work >= (loads[name].arrivals or 0.0) * LENGTH * 0.999
    total = sum(value for routes in rates.values() for targets in routes.values() for value in targets.values())
    assert sum(each.work for each in found.values()) >= total * LENGTH * 0.999


@given(worlds(), st.randoms(use_true_random=False))
def test_moving_requests_hides_nothing(
    world: tuple[Plan, Rates, dict[str, float], dict[str, Load]], random: object
) -> None:
    """However a route's requests are spread, each backend is wanted at least as much as where nothing is moved."""
    made, rates, capacity, _ = world
    loads = {name: load() for name in made.backends}
    base: Rates = {}
    for key, each in made.sets.items():
        total = sum(rates[key.policy]["r"].values())
        shares = parts(each, made.backends, capacity)
        base[key.policy] = {"r": {s.target: total * p for s, p in zip(each.shares, shares, strict=True)}}
        if not sum(shares):
            rates[key.policy] = base[key.policy]
    still, moved = (demand(made, loads, capacity, each, {}) for each in (base, rates))
    assert all(moved[name].work >= still[name].work * 0.999 for name in made.backends)


@given(worlds(), st.integers(2, 4))
def test_a_policy_in_parts_wants_the_same(
    world: tuple[Plan, Rates, dict[str, float], dict[str, Load]], number: int
) -> None:
    made, rates, capacity, loads = world
    key, each = next(iter(made.sets.items()))
    whole = Plan(backends=made.backends, sets={key: each})
    split = Plan(backends=made.backends, sets={SetKey(f"{key.policy}-{n}", "r"): each for n in range(number)})
    some = rates[key.policy]["r"]
    part = {k.policy: {"r": {target: value / number for target, value in some.items()}} for k in split.sets}
    one, many = (
        demand(made_, loads, capacity, answered, {})
        for made_, answered in ((whole, {key.policy: {"r": some}}), (split, part))
    )
    assert all(many[name].work == pytest.approx(one[name].work, abs=1e-6) for name in made.backends)


@given(worlds(), st.data())
def test_the_order_of_targets_changes_nothing(
    world: tuple[Plan, Rates, dict[str, float], dict[str, Load]], data: st.DataObject
) -> None:
    made, rates, capacity, loads = world
    sets = {key: TargetSet(shares=tuple(data.draw(st.permutations(each.shares)))) for key, each in made.sets.items()}
    one = demand(made, loads, capacity, rates, {})
    other = demand(Plan(backends=made.backends, sets=sets), loads, capacity, rates, {})
    assert all(other[name].work == pytest.approx(one[name].work, abs=1e-6) for name in one)


@given(
    st.lists(st.tuples(size, st.integers(0, 20), st.integers(1, 9)), min_size=1, max_size=4),
    st.floats(1.0, 500.0),
    st.booleans(),
)
def test_an_autoscaler_that_follows_it_comes_to_rest_where_nothing_has_to_be_moved(
    found: list[tuple[float, int, int]], requests: float, declared: bool
) -> None:
    """As many pods as are busy to 80 % by it, over and over; what would be too much for a backend goes to others."""
    names = [f"b{number}" for number in range(len(found))]
    capacity = {name: each for name, (each, _, _) in zip(names, found, strict=True)}
    pods = {name: number for name, (_, number, _) in zip(names, found, strict=True)}
    shares = tuple(
        Share(f"to_{name}", name, weight if declared else None)
        for name, (_, _, weight) in zip(names, found, strict=True)
    )
    each = TargetSet(shares=shares)
    seen: list[dict[str, int]] = []
    for _ in range(200):
        backends = {n: Backend(name=n, engine="VLLM", endpoints=tuple(map(str, range(pods[n])))) for n in names}
        wanted = dict(zip(names, (part * requests for part in parts(each, backends, capacity)), strict=True))
        room = {name: pods[name] * capacity[name] / LENGTH for name in names}
        got = {name: min(wanted[name], room[name]) for name in names}
        moved, free = requests - sum(got.values()), sum(room.values()) - sum(got.values())
        if free > 0.0:
            got = {name: got[name] + (room[name] - got[name]) * min(1.0, moved / free) for name in names}
        answered = {"p": {"r": {f"to_{name}": rate for name, rate in got.items()}}}
        left = requests - sum(got.values())  # nobody has room: turned away where it was drawn
        shed = {name: left * wanted[name] / requests for name in names}
        loads = {name: load(got[name]) for name in names}
        made = Plan(backends=backends, sets={SetKey("p", "r"): each})
        replicas_ = {n: d.replicas or 0.0 for n, d in demand(made, loads, capacity, answered, shed).items()}
        pods = {name: max(1, math.ceil(value / 0.8 - 1e-9)) for name, value in replicas_.items()}
        seen.append(pods)
        if len(seen) > 1 and seen[-2] == pods:
            break
    assert seen[-2] == pods
    wanted = dict(zip(names, (part * requests for part in parts(each, backends, capacity)), strict=True))
    for name in names:
        assert wanted[name] * LENGTH <= 0.81 * pods[name] * capacity[name]
        if declared:
            assert pods[name] == max(1, math.ceil(wanted[name] * LENGTH / capacity[name] / 0.8 - 1e-9))
