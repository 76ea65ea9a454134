"""The message to routers: only what is theirs, only what is in force, with ages of the moment."""

import math
from collections.abc import Mapping

import msgspec

from signalbox.control.messages import RouteWeights, SetWeights
from signalbox.feedback.backends import Load
from signalbox.feedback.law import Outcome, State, Weight
from signalbox.feedback.plan import Backend, Plan, SetKey, Share, Spill, TargetSet
from signalbox.router import in_force as router
from signalbox.routing import config
from signalbox.signals.message import in_force, spills_in_force, steering

ONE, TWO = SetKey("one", "r"), SetKey("two", "r")
TIER = SetKey("two", "r", 1)
A = (Share("t", "a"),)
PLAN = Plan(
    backends={name: Backend(name=name) for name in ("a", "b")},
    sets={
        ONE: TargetSet(shares=A, mode="Observe"),
        TWO: TargetSet(shares=A),
        TIER: TargetSet(shares=(Share("u", "b"),)),
    },
)


def outcome(*keys: SetKey, **loads: float | None) -> Outcome:
    weights = {
        key: tuple(
            Weight(target=share.target, base=1.0, effective=1.0, reason="Load") for share in PLAN.sets[key].shares
        )
        for key in keys
    }
    seen = {name: Load(usable=1, length=300.0, observed_at=at) for name, at in loads.items()}
    return Outcome(state=State(), loads=seen, weights=weights, spills={TWO: 0.25})


def test_ages_are_those_of_the_moment() -> None:
    made = steering(PLAN, outcome(TWO, TIER, a=10.0, b=None), 12.0)
    assert made.message(["two"], 12.0).loads["a"].age_ms == 2000
    assert made.message(["two"], 12.5).loads["a"].age_ms == 2500
    assert set(made.message(["two"], 12.5).loads) == {"a"}  # nothing is known of b


def test_tiers_are_in_order_and_a_route_is_whole_or_not_told() -> None:
    told = steering(PLAN, outcome(TIER, TWO), 0.0).everything(0.0).policies
    assert told == {
        "two": {
            "r": RouteWeights(
                sets=(
                    SetWeights(effective={"t": 1.0}, base={"t": 1.0}),
                    SetWeights(effective={"u": 1.0}, base={"u": 1.0}),
                ),
                spill=0.25,
            )
        }
    }
    assert not steering(PLAN, outcome(TIER), 0.0).everything(0.0).policies


def test_a_policy_that_only_observes_is_told_loads_for_its_conditions_and_no_weights() -> None:
    made = steering(PLAN, outcome(ONE, TWO, TIER, a=1.0), 1.0)
    assert set(made.policies) == {"two"}
    assert not made.message(["one"], 1.0).policies
    assert set(made.message(["one"], 1.0).loads) == {"a"}


def test_a_router_hears_of_its_own_policies_only() -> None:
    made = steering(PLAN, outcome(ONE, TWO, TIER, a=1.0), 1.0)
    assert not made.message(["other"], 1.0).loads
    assert not made.message(["other"], 1.0).policies


def test_what_routers_say_is_taken_as_far_as_it_makes_sense() -> None:
    said = {
        "two": {
            "r": RouteWeights(
                sets=(
                    SetWeights(effective={"t": 0.5, "stranger": 0.5}, base={"t": math.nan}),
                    SetWeights(effective={"u": -1.0}),
                    SetWeights(effective={"u": 1.0}),
                )
            ),
            "none": RouteWeights(sets=(SetWeights(effective={"t": 1.0}),)),
        }
    }
    assert in_force(said, PLAN) == {TWO: SetWeights(effective={"t": 0.5})}
    again = msgspec.json.decode(msgspec.json.encode(steering(PLAN, outcome(TWO, TIER), 0.0).everything(0.0)))
    assert again["policies"]["two"]["r"]["spill"] == 0.25


def test_of_what_routers_say_of_a_spill_only_a_part_of_a_failover_is_taken() -> None:
    said = {
        "one": {"r": RouteWeights(sets=(), spill=0.5)},
        "two": {"r": RouteWeights(sets=(), spill=0.5), "none": RouteWeights(sets=(), spill=0.5)},
    }
    spills = {TWO: Spill(0.8, 1.0)}
    plan = msgspec.structs.replace(PLAN, spills=spills)
    assert spills_in_force(said, plan) == {TWO: 0.5}
    for wrong in (math.nan, -0.1, 1.1):
        assert not spills_in_force({"two": {"r": RouteWeights(sets=(), spill=wrong)}}, plan)


def test_who_had_no_endpoint_gets_its_part_once_nobody_steers() -> None:
    """Unless its share was declared as nothing."""
    targets = (Share("t", "a"), Share("u", "b"))
    weights = (
        Weight(target="t", base=1.0, effective=1.0, reason="Load"),
        Weight(target="u", base=0.0, effective=0.0, reason="NoEndpoint"),
    )
    policy = config.Policy(
        name="one",
        models=("m",),
        access=config.Access(anonymous=True),
        targets=(config.Target(name="t", backend="a"), config.Target(name="u", backend="b")),
        routes=(config.Route(name="r", strategy=config.Weighted(targets=(), free=True)),),
    )

    def at_rest(*shares: Share) -> Mapping[str, float]:
        plan = Plan(backends=PLAN.backends, sets={ONE: TargetSet(shares=shares)})
        outcome = Outcome(state=State(), loads={}, weights={ONE: weights}, spills={})
        told = steering(plan, outcome, 0.0).everything(0.0)
        return router.in_force(policy, told, 3600.0).routes["r"].sets[0].effective

    assert at_rest(*targets) == {"t": 0.5, "u": 0.5}
    assert at_rest(Share("t", "a", 1), Share("u", "b", 0)) == {"t": 1.0}
