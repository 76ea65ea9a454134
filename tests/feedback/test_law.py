"""The law as a whole, on short stories with a clock of their own."""

import math
from collections.abc import Callable, Mapping

import msgspec
import pytest

from signalbox.feedback.backends import Sight
from signalbox.feedback.engines import reader
from signalbox.feedback.law import Outcome, State, adopt, step
from signalbox.feedback.plan import Backend, Plan, SetKey, Share, Spill, TargetSet
from signalbox.feedback.readings import Reading
from signalbox.feedback.traffic import Length, Traffic

KEY = SetKey("policy", "route")
PERIOD = 5.0
Engine = Callable[[float], Reading]


def engine(rate: float, running: float, waiting: float) -> Engine:
    """One whose load stays as it is while it works off ``rate`` tokens a second in requests of 100."""
    return lambda at: Reading(
        at=at, running=running, waiting=waiting, generated=rate * at, finished=rate * at / 100, kv_usage=0.0
    )


def plan(weights: Mapping[str, int | None], **options: object) -> Plan:
    backends = {n: Backend(name=n, engine="VLLM", endpoints=("e",), concurrency=8) for n in weights}
    shares = tuple(Share(name, name, weight) for name, weight in weights.items())
    return Plan(backends=backends, sets={KEY: TargetSet(shares=shares, **options)})  # type: ignore[arg-type]


def run(
    made: Plan, engines: Mapping[str, Engine], steps: int, state: State | None = None, start: float = 0.0
) -> Outcome:
    state = state or State()
    for number in range(steps):
        now = start + number * PERIOD
        outcome = step(state, made, {n: Sight(readings={"e": each(now)}) for n, each in engines.items()}, now)
        state = outcome.state
    return outcome


def effective(outcome: Outcome) -> dict[str, float]:
    return {weight.target: weight.effective for weight in outcome.weights[KEY]}


def reasons(outcome: Outcome) -> dict[str, str]:
    return {weight.target: weight.reason for weight in outcome.weights[KEY]}


def test_before_any_sample_all_get_the_same() -> None:
    outcome = step(State(), plan({"a": None, "b": None}), {}, 0.0)
    assert effective(outcome) == {"a": 0.5, "b": 0.5}
    assert set(reasons(outcome).values()) == {"Base"}


def test_weights_follow_capacity() -> None:
    outcome = run(plan({"a": None, "b": None}), {"a": engine(100, 8, 2), "b": engine(300, 8, 2)}, 40)
    assert math.isclose(outcome.loads["b"].capacity or 0, 300, rel_tol=0.01)
    assert effective(outcome)["b"] > 0.7
    assert set(reasons(outcome).values()) == {"Load"}


def test_a_queue_moves_weight_away() -> None:
    outcome = run(plan({"a": None, "b": None}), {"a": engine(100, 8, 60), "b": engine(100, 4, 0)}, 12)
    assert effective(outcome)["a"] < 0.3


def test_where_answers_are_longer_the_same_tokens_are_fewer_requests() -> None:
    def long(at: float) -> Reading:
        return msgspec.structs.replace(engine(100, 8, 2)(at), finished=100 * at / 300)

    outcome = run(plan({"a": None, "b": None}), {"a": engine(100, 8, 2), "b": long}, 200)
    assert math.isclose(outcome.loads["b"].length, 300, rel_tol=0.01)
    assert all(
        math.isclose(w.base, base, rel_tol=0.01) for w, base in zip(outcome.weights[KEY], (0.75, 0.25), strict=True)
    )


def test_who_never_queues_gets_more_until_it_does() -> None:
    made = plan({"a": None, "b": None})
    backends = {n: msgspec.structs.replace(b, concurrency=None) for n, b in made.backends.items()}
    made = Plan(backends=backends, sets=made.sets)
    outcome = run(made, {"a": engine(100, 8, 2), "b": engine(100, 5, 0)}, 10)
    assert math.isclose(outcome.loads["a"].capacity or 0, 100)
    assert math.isclose(outcome.loads["b"].capacity or 0, 125)


def test_the_fuller_a_batch_the_sooner_its_rate_is_believed() -> None:
    """Both get twice slower, without a queue; the one is full by seven eighths, the other by three."""

    made = plan({"a": None, "b": None})
    before = run(made, {"a": engine(100, 7, 0), "b": engine(100, 3, 0)}, 10)
    state, heard = before.state, []
    for number in range(10, 16):
        now = number * PERIOD
        done = 100 * 9 * PERIOD + 50 * (now - 9 * PERIOD)
        sights = {
            name: Sight(readings={"e": Reading(at=now, running=n, waiting=0, generated=done, finished=done / 100)})
            for name, n in (("a", 7), ("b", 3))
        }
        outcome = step(state, made, sights, now)
        state = outcome.state
        heard.append(tuple((outcome.loads[n].capacity or 0) / (before.loads[n].capacity or 0) for n in ("a", "b")))
    assert all(a < b for a, b in heard)
    assert heard[-1][0] < 0.65


def test_an_engine_that_calls_itself_idle_hides_nothing() -> None:
    made = plan({"a": None})
    idle = Reading(at=5.0, running=0, waiting=0, kv_usage=0.0)
    sight = Sight(readings={"e": idle}, traffic=Traffic(at=5.0, in_flight=6))
    assert step(State(), made, {"a": sight}, 5.0).loads["a"].in_system == 6


def test_an_engine_that_does_not_say_how_much_runs_is_not_idle() -> None:
    made, capacity = plan({"a": None}), engine(100, 8, 2)
    state = run(made, {"a": capacity}, 10).state
    now = 10 * PERIOD
    mute = msgspec.structs.replace(capacity(now), running=None, kv_usage=None)
    outcome = step(state, made, {"a": Sight(readings={"e": mute})}, now)
    assert (outcome.loads["a"].silent, outcome.loads["a"].utilization, outcome.loads["a"].delay) == (1, None, None)
    assert reasons(outcome) == {"a": "Base"}


def test_what_routers_wait_for_goes_with_them() -> None:
    for made in (plan({"a": None}), Plan(backends={"a": Backend(name="a", endpoints=("e",), max_in_flight=100)})):
        idle = Reading(at=0.0, running=0.0, waiting=0.0)
        before = step(State(), made, {"a": Sight(readings={"e": idle}, traffic=Traffic(at=0.0, in_flight=50))}, 0.0)
        assert before.loads["a"].in_system == 50
        later = Sight(readings={"e": msgspec.structs.replace(idle, at=60.0)})
        assert step(before.state, made, {"a": later}, 60.0).loads["a"].in_system == 0


def test_whatever_an_engine_says_loads_and_weights_are_numbers() -> None:
    made, state = plan({"a": None, "b": None}), State()
    for number, (tokens, there) in enumerate([(0, 8), (1, 8), (1.7e308, 1.7e308), (0, 8), (100, 8), (200, 8)]):
        now = number * PERIOD
        said = dict.fromkeys(("num_requests_running", "num_requests_waiting"), there)
        said |= dict.fromkeys(("generation_tokens_total", "prompt_tokens_total"), tokens)
        text = "".join(f"vllm:{name} {value}\n" for name, value in said.items())
        readings = {"a": reader("VLLM").read(text.encode(), now), "b": engine(100, 8, 2)(now)}
        outcome = step(state, made, {name: Sight(readings={"e": each}) for name, each in readings.items()}, now)
        state = outcome.state
        for load in outcome.loads.values():
            assert all(math.isfinite(x) for x in (load.in_system, load.length, load.capacity or 0.0, load.delay or 0.0))
        assert all(math.isfinite(weight.base) and weight.base > 0.0 for weight in outcome.weights[KEY])


def test_who_is_busy_while_others_of_its_model_idle_is_believed_all_the_same() -> None:
    made = plan(dict.fromkeys("abc"))
    backends = {n: msgspec.structs.replace(b, concurrency=None) for n, b in made.backends.items()}
    made = Plan(backends=backends, sets=made.sets)
    idle = dict.fromkeys("bc", engine(5, 1, 0))
    state = run(made, idle, 5).state
    outcome = run(made, {"a": engine(3000, 20, 5), **idle}, 10, state, 5 * PERIOD)
    assert outcome.loads["a"].capacity == pytest.approx(3000, rel=0.1)


def test_a_counter_that_leaps_is_not_believed() -> None:
    made, state = plan(dict.fromkeys("abc")), State()
    for number in range(12):
        now = number * PERIOD
        readings = {name: engine(100, 8, 2)(now) for name in "abc"}
        if number > 8:
            readings["a"] = msgspec.structs.replace(readings["a"], generated=100 * now + 1e14)
        outcome = step(state, made, {name: Sight(readings={"e": each}) for name, each in readings.items()}, now)
        state = outcome.state
        assert (outcome.loads["a"].capacity or 0.0) <= 20 * 100


def test_what_a_hosted_api_got_is_not_what_it_can_do() -> None:
    """Until it says itself that it was too much."""
    backends = {
        "own": Backend(name="own", engine="VLLM", endpoints=("e",), concurrency=8),
        "hosted": Backend(name="hosted", endpoints=("e",)),
    }
    shares = (Share("own", "own"), Share("hosted", "hosted"))
    made, state = Plan(backends=backends, sets={KEY: TargetSet(shares=shares)}), State()

    def base(number: int, busy: int = 0) -> float:
        nonlocal state
        now = number * PERIOD
        little = Traffic(at=now, started=number, completed=number, busy=busy, output_tokens=300 * number)
        sights = {"own": Sight(readings={"e": engine(1000, 8, 2)(now)}), "hosted": Sight(traffic=little)}
        outcome = step(state, made, sights, now)
        state = outcome.state
        return outcome.weights[KEY][1].base

    assert [base(number) for number in range(40)][-1] == pytest.approx(0.5, abs=0.01)
    assert base(40, busy=1) < 0.1
    assert [base(number, busy=1) for number in range(41, 61)][-1] == pytest.approx(0.5, abs=0.01)


def test_samples_that_are_late_but_new_go_on_steering() -> None:
    made = plan({"a": None, "b": None})
    engines = {"a": engine(100, 8, 200), "b": engine(100, 4, 0)}
    state = State()
    for number in range(12):
        now = number * PERIOD
        sights = {n: Sight(readings={"e": each(now - 10.0)}) for n, each in engines.items()}
        outcome = step(state, made, sights, now)
        state = outcome.state
    assert set(reasons(outcome).values()) == {"Load"}
    assert effective(outcome)["a"] < 0.3


def test_a_late_sample_holds_and_an_old_one_goes_back_to_the_base() -> None:
    made = plan({"a": None, "b": None})
    engines = {"a": engine(100, 8, 60), "b": engine(100, 4, 0)}
    steered = run(made, engines, 12)
    now = 11 * PERIOD
    held = step(steered.state, made, {}, now + 10.0)
    assert set(reasons(held).values()) == {"Held"}
    assert all(math.isclose(effective(held)[n], w, rel_tol=1e-6) for n, w in effective(steered).items())
    state = held.state
    for number in range(12):
        lost = step(state, made, {}, now + 20.0 + number * PERIOD)
        state = lost.state
    assert set(reasons(lost).values()) == {"Stale"}
    assert all(math.isclose(weight.effective, weight.base, rel_tol=0.01) for weight in lost.weights[KEY])


def test_one_that_falls_silent_goes_back_while_the_others_are_steered() -> None:
    made = plan(dict.fromkeys("abc"))
    engines = {"a": engine(100, 8, 60), "b": engine(100, 4, 0), "c": engine(100, 8, 60)}
    before = run(made, engines, 6)
    outcome = run(made, {name: engines[name] for name in "ab"}, 12, before.state, 6 * PERIOD)
    assert reasons(outcome) == {"a": "Load", "b": "Load", "c": "Stale"}
    assert effective(outcome)["a"] < 0.02
    assert effective(before)["c"] < 0.1
    assert 0.2 < effective(outcome)["c"] < effective(outcome)["b"]


def test_endpoints_that_say_nothing_are_taken_to_be_like_the_others() -> None:
    made = Plan(backends={"a": Backend(name="a", engine="VLLM", endpoints=("e", "f"), concurrency=8)})
    one = Reading(at=0.0, running=4.0, waiting=2.0)
    whole, half = (
        step(State(), made, {"a": Sight(readings=dict.fromkeys(keys, one))}, 0.0).loads["a"] for keys in ("ef", "e")
    )
    assert (whole.silent, whole.in_system, whole.utilization) == (0, 12.0, 0.75)
    assert (half.silent, half.in_system, half.utilization) == (1, 12.0, 0.75)


def test_declared_shares_stay_while_nobody_is_overloaded() -> None:
    outcome = run(plan({"a": 9, "b": 1}), {"a": engine(100, 6, 0), "b": engine(100, 1, 0)}, 20)
    assert effective(outcome) == {"a": 0.9, "b": 0.1}
    assert set(reasons(outcome).values()) == {"Declared"}


def test_an_overloaded_target_gives_away_and_gets_back() -> None:
    made = plan({"a": 9, "b": 1})
    outcome = run(made, {"a": engine(100, 8, 8), "b": engine(100, 1, 0)}, 4)
    assert effective(outcome)["a"] < 0.8
    assert reasons(outcome)["a"] == "Overloaded"
    between = run(made, {"a": engine(100, 6, 0), "b": engine(100, 1, 0)}, 1, outcome.state, 4 * PERIOD)
    assert reasons(between)["a"] == "Overloaded"  # below 0.9, but not yet below 0.7
    again = run(made, {"a": engine(100, 3, 0), "b": engine(100, 1, 0)}, 10, between.state, 5 * PERIOD)
    assert effective(again) == {"a": 0.9, "b": 0.1}


def test_a_late_sample_takes_no_more_of_a_declared_share_and_an_old_one_gives_it_back() -> None:
    made = plan({"a": 9, "b": 1})
    before = run(made, {"a": engine(100, 8, 8), "b": engine(100, 1, 0)}, 2)
    state, heard = before.state, []
    for number in range(2, 12):
        outcome = step(state, made, {}, number * PERIOD)
        state = outcome.state
        heard.append(effective(outcome)["a"])
    assert heard[:3] == [effective(before)["a"]] * 3
    assert heard[3] > heard[2]
    assert effective(outcome) == {"a": 0.9, "b": 0.1}


def test_what_was_heard_between_two_periods_counts_in_the_next_one() -> None:
    made = plan({"a": 6, "b": 2, "c": 2})
    calm = {"a": engine(100, 6, 0), "b": engine(100, 1, 0), "c": engine(100, 1, 0)}
    state, now = run(made, calm, 2).state, PERIOD + 4.0
    full = {**calm, "a": engine(100, 8, 8)}
    sights = {name: Sight(readings={"e": each(now)}, reachable=name != "c") for name, each in full.items()}
    between = step(state, made, sights, now)
    assert reasons(between)["a"] == "Declared"
    assert reasons(step(between.state, made, sights, 2 * PERIOD))["a"] == "Overloaded"


def test_a_target_that_goes_between_two_periods_takes_no_more_from_others() -> None:
    made = plan({"a": 6, "b": 2, "c": 2})
    engines = {"a": engine(100, 8, 20), "b": engine(100, 1, 0), "c": engine(100, 1, 0)}
    before = run(made, engines, 2)
    now = PERIOD + 1.0
    sights = {name: Sight(readings={"e": each(now)}, reachable=name != "c") for name, each in engines.items()}
    after = effective(step(before.state, made, sights, now))
    assert after["c"] == 0.0
    assert after["a"] / after["b"] == pytest.approx(effective(before)["a"] / effective(before)["b"])


def test_without_an_endpoint_there_is_no_weight() -> None:
    made = plan({"a": None, "b": None})
    backends = {**made.backends, "a": Backend(name="a", engine="VLLM", endpoints=())}
    for weights in ({"a": None, "b": None}, {"a": 9, "b": 1}):
        outcome = step(State(), Plan(backends=backends, sets=plan(weights).sets), {}, 0.0)
        assert effective(outcome) == {"a": 0.0, "b": 1.0}
        assert reasons(outcome)["a"] == "NoEndpoint"
    gone = step(State(), made, {"b": Sight(reachable=False)}, 0.0)
    assert effective(gone) == {"a": 1.0, "b": 0.0}


def test_policies_that_share_backends_behave_as_one() -> None:
    one = plan({"a": None, "b": None})
    keys = [SetKey(f"policy{number}", "route") for number in range(4)]
    many = Plan(backends=one.backends, sets=dict.fromkeys(keys, one.sets[KEY]))
    engines = {"a": engine(100, 8, 30), "b": engine(200, 8, 1)}
    alone = run(one, engines, 15)
    together = run(many, engines, 15)
    assert all(together.weights[key] == alone.weights[KEY] for key in keys)


def test_a_new_leader_goes_on_where_the_old_one_was() -> None:
    made = plan({"a": None, "b": None})
    engines = {"a": engine(100, 8, 2), "b": engine(100, 8, 2)}
    first = run(made, engines, 1, adopt(State(), {KEY: {"a": 0.2, "b": 0.8}}))
    assert math.isclose(effective(first)["a"], 0.3, rel_tol=0.01)  # towards the middle, a step at a time


def test_a_new_leader_keeps_what_was_taken_from_a_declared_share() -> None:
    made, shares = plan({"a": 9, "b": 1}), {KEY: {"a": 0.9, "b": 0.1}}
    state = adopt(State(), {KEY: {"a": 0.6, "b": 0.4}}, shares, 0.0)
    first = run(made, {"a": engine(100, 6, 0), "b": engine(100, 1, 0)}, 1, state, PERIOD)
    assert 0.6 < effective(first)["a"] < 0.7
    assert reasons(first) == {"a": "Overloaded", "b": "Declared"}
    gone = adopt(State(), {KEY: {"a": 0.0, "b": 1.0}}, shares, 0.0)  # that was no overload
    again = run(made, {"a": engine(100, 1, 0), "b": engine(100, 1, 0)}, 1, gone, PERIOD)
    assert effective(again) == {"a": 0.9, "b": 0.1}


def test_what_rounding_took_of_a_share_is_no_overload() -> None:
    made, shares = plan({"a": 6, "b": 3, "c": 1}), {"a": 0.6, "b": 0.3, "c": 0.1}
    state = adopt(State(), {KEY: {"a": 0.599999, "b": 0.3, "c": 0.100001}}, {KEY: shares}, 0.0)
    outcome = step(state, made, {"c": Sight(reachable=False)}, 1.0)
    assert reasons(outcome) == {"a": "Declared", "b": "Declared", "c": "NoEndpoint"}


def test_what_a_former_leader_thought_of_capacity_is_forgotten_once_it_is_learned() -> None:
    made = plan({"a": None, "b": None})
    bases = {KEY: {"a": 0.1, "b": 0.9}}
    state = run(made, {"a": engine(100, 8, 2)}, 3, adopt(State(), bases, bases)).state
    assert state.adopted == bases
    assert run(made, {"b": engine(100, 8, 2)}, 3, state, 3 * PERIOD).state.adopted == {}


def test_a_new_leader_goes_on_spilling() -> None:
    made = plan({"a": 1})
    made = Plan(backends=made.backends, sets=made.sets, spills={KEY: Spill(0.8, 1.0)})
    weights = {KEY: {"a": 1.0}}
    state = adopt(State(), weights, weights, 0.0, {KEY: 1.0, SetKey("another", "route"): 1.0})
    assert set(state.spills) == {KEY}
    assert step(state, made, {}, 0.0).spills[KEY] == 1.0  # nothing moves before there is a sample
    assert run(made, {"a": engine(100, 8, 4)}, 2, state).spills[KEY] == 1.0


def test_a_restarted_engine_says_nothing_wrong() -> None:
    made = plan({"a": None, "b": None})
    engines = {"a": engine(100, 8, 2), "b": engine(100, 8, 2)}
    before = run(made, engines, 10)
    again = run(made, {**engines, "a": lambda at: engine(100, 8, 2)(at - 10 * PERIOD)}, 1, before.state, 10 * PERIOD)
    assert again.loads["a"].capacity == before.loads["a"].capacity


def test_a_new_endpoint_is_trusted_little_by_little() -> None:
    made = plan({"a": None})
    engines = {"a": engine(100, 8, 2)}
    before = run(made, engines, 10)
    both = Backend(name="a", engine="VLLM", endpoints=("e", "new"), concurrency=8)
    capacities = []
    state = before.state
    for number in range(10, 20):
        now = number * PERIOD
        cold = Reading(at=now, running=0, waiting=0, generated=0.0, finished=0.0)
        sights = {"a": Sight(readings={"e": engines["a"](now), "new": cold})}
        outcome = step(state, Plan(backends={"a": both}, sets=made.sets), sights, now)
        state = outcome.state
        capacities.append(outcome.loads["a"].capacity or 0.0)
    assert math.isclose(capacities[0], 110, rel_tol=0.01)
    assert capacities == sorted(capacities)
    assert math.isclose(capacities[-1], 200, rel_tol=0.01)


def test_the_load_of_a_backend_is_known_also_where_nobody_moves_weights_by_it() -> None:
    only = Plan(backends={"a": Backend(name="a", engine="VLLM", endpoints=("x",), concurrency=8)})
    outcome = step(State(), only, {"a": Sight(readings={"x": Reading(at=0.0, running=4.0, waiting=0.0)})}, 10.0)
    assert outcome.loads["a"].silent == 0
    assert outcome.loads["a"].utilization == 0.5
    assert step(State(), only, {"a": Sight(readings={"x": Reading(at=0.0)})}, 16.0).loads["a"].silent == 1


def test_spill_rises_with_the_first_tier() -> None:
    made = plan({"a": 1})
    made = Plan(backends=made.backends, sets=made.sets, spills={KEY: Spill(0.8, 1.0)})
    assert run(made, {"a": engine(100, 4, 0)}, 5).spills[KEY] == 0.0
    assert math.isclose(run(made, {"a": engine(100, 7, 0)}, 9).spills[KEY], 0.375)
    assert run(made, {"a": engine(100, 8, 4)}, 9).spills[KEY] == 1.0


def test_a_spill_ends_when_nothing_is_known_of_the_first_tier_any_more() -> None:
    made = plan({"a": 1})
    made = Plan(backends=made.backends, sets=made.sets, spills={KEY: Spill(0.8, 1.0)})
    before = run(made, {"a": engine(100, 8, 4)}, 9)
    assert before.spills[KEY] == 1.0
    assert run(made, {}, 9, before.state, 9 * PERIOD).spills[KEY] == 0.0


def test_lengths_fade_with_seconds_and_with_requests_whichever_is_longer() -> None:
    few = Length().seen(100_000.0, 1_000.0, 60.0).seen(300.0, 1.0, 600.0)
    assert 99 < few.mean < 102  # ten minutes, but only one request
    many = Length().seen(100_000.0, 1_000.0, 60.0).seen(300_000.0, 1_000.0, 600.0)
    assert many.mean > 290
