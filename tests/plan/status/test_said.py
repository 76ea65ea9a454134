"""What the feedback loop says, as statuses show it: from the law's own outcomes."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from signalbox.feedback.backends import Sight
from signalbox.feedback.law import Outcome, State, step
from signalbox.feedback.plan import Backend, Plan, SetKey, Share, Spill, TargetSet
from signalbox.feedback.readings import Reading
from signalbox.plan.status.said import BackendSaid, Said, news, said, shared

BEGIN = datetime(2030, 1, 1, tzinfo=UTC)
KEY = SetKey("chat", "all")
MEASURED = Backend(name="a", engine="VLLM", endpoints=("a1:80", "a2:80"), concurrency=8, slow_start=0)
OTHER = Backend(name="b", engine="VLLM", endpoints=("b1:80",), concurrency=8, slow_start=0)


def a_set(*shares: Share, mode: Any = "Active") -> TargetSet:
    return TargetSet(shares=shares, mode=mode)


PLAN = Plan(backends={"a": MEASURED, "b": OTHER}, sets={KEY: a_set(Share("small", "a"), Share("strong", "b"))})


def reading(at: float, running: float = 4, waiting: float = 0) -> Reading:
    return Reading(at=at, running=running, waiting=waiting, kv_usage=0.25, generated=100 * at, finished=at)


def run(plan: Plan, sights: Mapping[float, Mapping[str, Sight]]) -> tuple[Outcome, float]:
    state, now = State(), 0.0
    for now, seen in sights.items():
        outcome = step(state, plan, seen, now)
        state = outcome.state
    return outcome, now


def say(
    plan: Plan, sights: Mapping[float, Mapping[str, Sight]], problems: Mapping[str, Mapping[str, str]] = {}
) -> Said:
    outcome, now = run(plan, sights)
    found = said(plan, outcome, lambda name: problems.get(name, {}), now, lambda at: BEGIN + timedelta(seconds=at))
    assert found is not None
    return found


def test_a_loop_that_has_not_found_its_weights_says_nothing() -> None:
    outcome, now = run(msgspec.structs.replace(PLAN, sets={}), {0.0: everybody(0.0)})
    assert said(PLAN, outcome, lambda name: {}, now, lambda at: BEGIN) is None


def everybody(at: float) -> dict[str, Sight]:
    return {
        "a": Sight(readings={"a1:80": reading(at), "a2:80": reading(at)}),
        "b": Sight(readings={"b1:80": reading(at)}),
    }


def test_the_load_of_all_endpoints_and_when_it_was_seen() -> None:
    found = say(PLAN, {at: everybody(at) for at in (0.0, 5.0, 10.0)})
    load = found.backends["a"].load
    assert load is not None
    assert load["running"] == 8
    assert load["waiting"] == 0
    assert load["kvCacheUsagePercent"] == 25
    assert load["observedAt"] == "2030-01-01T00:00:10Z"
    assert found.backends["a"].fresh


def test_who_says_nothing_for_too_long_is_counted_by_the_class_of_the_error() -> None:
    heard = {"a": Sight(readings={"a1:80": reading(20.0)}), "b": Sight()}
    found = say(PLAN, {0.0: everybody(0.0), 20.0: heard}, {"a": {"a2:80": "Status401"}})
    assert (found.backends["a"].silent, found.backends["a"].reasons) == (1, ("Unauthorized",))
    assert (found.backends["b"].silent, found.backends["b"].reasons) == (1, ("Stale",))


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        ("ConnectionFailed", "Unreachable"),
        ("AddressRefused", "Unreachable"),
        ("TooLarge", "TooLarge"),
        ("Unreadable", "NotMetrics"),
        ("Status404", "NotMetrics"),
        ("NoSeries", "MissingSeries"),
    ],
)
def test_each_class_of_error_has_a_reason(problem: str, reason: str) -> None:
    found = say(PLAN, {0.0: {}, 60.0: {}}, {"b": {"b1:80": problem}})
    assert found.backends["b"].reasons == (reason,)


def test_who_answers_without_saying_how_much_runs_says_nothing_of_its_load() -> None:
    mute = msgspec.structs.replace(reading(20.0), running=None)
    heard = {"a": Sight(readings={"a1:80": reading(20.0), "a2:80": mute}), "b": Sight(readings={"b1:80": mute})}
    found = say(PLAN, {0.0: everybody(0.0), 20.0: heard}).backends
    assert (found["a"].silent, found["a"].reasons) == (1, ("MissingSeries",))
    assert found["b"].fresh is False


def test_who_has_just_come_was_not_asked_yet() -> None:
    early, late = (say(PLAN, {0.0: {}, at: {}}).backends["a"] for at in (10.0, 16.0))
    assert (early.fresh, early.new, early.silent) == (None, 2, 0)
    assert (late.fresh, late.new, late.silent) == (False, 0, 2)
    half = say(PLAN, {0.0: {}, 10.0: {"a": Sight(readings={"a1:80": reading(10.0)})}}).backends["a"]
    assert (half.fresh, half.new, half.silent) == (None, 1, 0)


def test_without_engines_or_endpoints_there_is_nothing_to_judge() -> None:
    saas = msgspec.structs.replace(MEASURED, engine="None")
    empty = msgspec.structs.replace(OTHER, endpoints=())
    found = say(msgspec.structs.replace(PLAN, backends={"a": saas, "b": empty}), {0.0: {}, 60.0: {}})
    assert found.backends["a"].fresh is None
    assert found.backends["b"].fresh is None


def routes(plan: Plan, sights: Mapping[float, Mapping[str, Sight]]) -> list[dict[str, Any]]:
    return say(plan, sights).routes["chat"]


def test_a_route_says_where_its_requests_go() -> None:
    (route,) = routes(PLAN, {at: everybody(at) for at in (0.0, 5.0, 10.0)})
    assert route["name"] == "all"
    assert [each["target"] for each in route["weights"]] == ["small", "strong"]
    assert sum(each["effectivePermille"] for each in route["weights"]) == pytest.approx(1000, abs=1)
    assert sum(each["basePermille"] for each in route["weights"]) == pytest.approx(1000, abs=1)
    assert all(each["observedAt"] == "2030-01-01T00:00:10Z" for each in route["weights"])


def test_of_a_policy_whose_weights_stay_there_is_nothing_to_say() -> None:
    plan = msgspec.structs.replace(PLAN, sets={KEY: a_set(Share("small", "a"), mode="Disabled")})
    assert say(plan, {0.0: everybody(0.0)}).routes == {}


TIERS = {
    SetKey("chat", "all", 0): a_set(Share("small", "a")),
    SetKey("chat", "all", 1): a_set(Share("strong", "b", 3), Share("small", "a", 1)),
}


def test_tiers_that_are_not_in_use_get_nothing() -> None:
    (route,) = routes(msgspec.structs.replace(PLAN, sets=TIERS), {0.0: everybody(0.0)})
    assert {each["target"]: (each["effectivePermille"], each["reason"]) for each in route["weights"]} == {
        "small": (1000, "Base"),
        "strong": (0, "Idle"),
    }
    assert route["summary"] == "small 100%"


def test_a_tier_that_is_not_in_use_is_stale_all_the_same() -> None:
    tiers = {
        SetKey("chat", "all", 0): a_set(Share("small", "a")),
        SetKey("chat", "all", 1): a_set(Share("strong", "b")),
    }
    later = {"a": everybody(20.0)["a"], "b": Sight()}
    (route,) = routes(msgspec.structs.replace(PLAN, sets=tiers), {0.0: everybody(0.0), 20.0: later})
    strong = next(each for each in route["weights"] if each["target"] == "strong")
    assert (strong["effectivePermille"], strong["reason"]) == (0, "Stale")


def test_a_later_tier_serves_when_nothing_of_the_first_is_usable() -> None:
    down = {"a": Sight(reachable=False), "b": everybody(0.0)["b"]}
    (route,) = routes(msgspec.structs.replace(PLAN, sets=TIERS), {0.0: down})
    shown = {each["target"]: (each["basePermille"], each["effectivePermille"]) for each in route["weights"]}
    assert shown == {"small": (0, 0), "strong": (0, 1000)}
    assert next(each for each in route["weights"] if each["target"] == "small")["reason"] == "NoEndpoint"


def test_what_is_spilled_is_shown() -> None:
    plan = msgspec.structs.replace(
        PLAN,
        sets={
            SetKey("chat", "all", 0): a_set(Share("small", "a")),
            SetKey("chat", "all", 1): a_set(Share("strong", "b")),
        },
        spills={KEY: Spill(0.1, 0.2)},
    )
    (route,) = routes(plan, {at: everybody(at) for at in (0.0, 5.0)})
    shown = {each["target"]: each for each in route["weights"]}
    assert shown["strong"]["reason"] == "Spilled"
    assert shown["strong"]["effectivePermille"] == 500
    assert shown["small"]["effectivePermille"] == 500


def test_where_nothing_is_usable_the_summary_says_so() -> None:
    (route,) = routes(PLAN, {0.0: {"a": Sight(reachable=False), "b": Sight(reachable=False)}})
    assert route["summary"] == "nothing is usable"


def test_of_very_many_targets_the_last_routes_have_a_summary_only() -> None:
    shares = [Share(f"t{i}", "a") for i in range(60)]
    sets = {SetKey("chat", f"r{i}"): a_set(*shares) for i in range(20)}
    found = routes(msgspec.structs.replace(PLAN, sets=sets), {0.0: everybody(0.0)})
    assert sum(len(each.get("weights", ())) for each in found) == 480
    assert [each["name"] for each in found] == [f"r{i}" for i in range(20)]
    assert found[-1]["summary"].endswith("and 57 more")


def a_said(**changed: Any) -> Said:
    weights = [
        {"target": "small", "effectivePermille": changed.get("part", 900), "reason": changed.get("reason", "Load")}
    ]
    load = {"running": changed.get("running", 30), "waiting": 0, "observedAt": changed.get("at", "x")}
    backend = BackendSaid(measured=True, endpoints=10, silent=changed.get("silent", 0), load=load)
    return Said(backends={"a": backend}, routes={"chat": [{"name": "all", "weights": weights}]})


@pytest.mark.parametrize(
    ("changed", "new"),
    [
        ({}, False),
        ({"at": "y"}, False),
        ({"part": 801}, False),
        ({"part": 800}, True),
        ({"running": 32}, False),
        ({"running": 40}, True),
        ({"reason": "Held"}, False),
        ({"reason": "Stale"}, True),
        ({"reason": "NoEndpoint"}, True),
        ({"silent": 1}, True),
    ],
)
def test_what_is_news(changed: dict[str, Any], new: bool) -> None:
    assert news(a_said(), a_said(**changed)) is new
    assert news(None, a_said(**changed))


def test_what_has_not_changed_is_the_same_object() -> None:
    before = say(PLAN, {at: everybody(at) for at in (0.0, 5.0)})
    other = msgspec.structs.replace(before.backends["b"], silent=1)
    fresh = msgspec.json.decode(msgspec.json.encode(before), type=Said)
    after = msgspec.structs.replace(fresh, backends={**fresh.backends, "b": other})
    found = shared(before, after)
    assert found == after
    assert found.backends["a"] is before.backends["a"] is not after.backends["a"]
    assert found.backends["b"] is other
    assert all(found.routes[name] is before.routes[name] for name in before.routes)
    assert shared(None, after) is after
