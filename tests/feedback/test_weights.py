"""Weights where no share was declared: what holds whatever the samples say."""

import math

from hypothesis import given
from hypothesis import strategies as st

from signalbox.feedback.weights import FALL, FLOOR, RISE, Candidate, bases, steer

PERIOD = 5.0


def candidates(*, known: bool = False) -> st.SearchStrategy[list[Candidate]]:
    delays = st.floats(0.0, 1e4)
    one = st.builds(
        Candidate,
        name=st.just(""),
        base=st.floats(1e-3, 1e6),
        delay=delays if known else st.none() | delays,
        arrivals=st.floats(0.0, 1e7),
        held=st.booleans(),
    )
    return st.lists(one, min_size=1, max_size=8).map(
        lambda found: [
            Candidate(name=f"t{i}", base=c.base, delay=c.delay, arrivals=c.arrivals, held=c.held)
            for i, c in enumerate(found)
        ]
    )


before = st.lists(st.floats(0.0, 1.0), min_size=8, max_size=8).map(lambda w: {f"t{i}": x for i, x in enumerate(w)})


@given(candidates(), before | st.just({}))
def test_weights_sum_to_one_and_nobody_is_cut_off(found: list[Candidate], known: dict[str, float]) -> None:
    weights = steer(found, known, PERIOD)
    base = bases(found)
    assert math.isclose(sum(weights.values()), 1.0, rel_tol=1e-9)
    assert weights.keys() == base.keys()
    for name, weight in weights.items():
        assert math.isfinite(weight)
        assert weight > 0.0
        assert weight >= 0.97 * FLOOR * base[name]  # where all others are held, they leave it a little less


@given(candidates(), before)
def test_no_weight_leaps(found: list[Candidate], known: dict[str, float]) -> None:
    base = bases(found)
    total = sum(known[name] for name in base)
    if total <= 1e-6 or any(known[name] / total < FLOOR * base[name] for name in base):
        return  # who has nothing may rise to its floor
    weights = steer(found, known, PERIOD)
    for name, weight in weights.items():
        share = known[name] / total
        assert weight >= FALL * share * (1 - 1e-6)
        assert weight <= max(RISE * share, 0.1 * base[name]) * (1 + 1e-6)


@given(candidates(known=True), before, st.randoms())
def test_order_means_nothing(found: list[Candidate], known: dict[str, float], random: object) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = steer(found, known, PERIOD), steer(shuffled, known, PERIOD)
    assert all(math.isclose(one[name], other[name], rel_tol=1e-6, abs_tol=1e-12) for name in one)


def test_without_samples_capacity_decides() -> None:
    found = [Candidate(name="a", base=1.0), Candidate(name="b", base=3.0)]
    assert steer(found, {}, PERIOD) == {"a": 0.25, "b": 0.75}


def two(rate: float, one: float, other: float, age: float = 0.0) -> list[Candidate]:
    """A pair that can do the same, used half, with these delays."""
    delays = {"a": one, "b": other}
    return [Candidate(name=n, base=rate, delay=delay, arrivals=rate / 2, age=age) for n, delay in delays.items()]


HALF = {"a": 0.5, "b": 0.5}


def test_who_is_behind_gets_less() -> None:
    weights = steer(two(9.0, 10.0, 1.0), HALF, PERIOD)
    assert weights["a"] < 0.5 < weights["b"]


def test_a_little_difference_moves_nothing() -> None:
    assert steer(two(1e6, 1.2, 1.0), HALF, PERIOD) == HALF


def test_a_late_sample_holds_the_weight() -> None:
    found = [
        Candidate(name="a", base=1.0, delay=100.0, held=True),
        Candidate(name="b", base=1.0, delay=0.0),
        Candidate(name="c", base=1.0, delay=0.0),
    ]
    weights = steer(found, {"a": 0.4, "b": 0.3, "c": 0.3}, PERIOD)
    assert math.isclose(weights["a"], 0.4, rel_tol=1e-6)
    low = steer(found[:2], {"a": 0.02, "b": 0.98}, PERIOD)  # also where all others want less
    assert math.isclose(low["a"], 0.02, rel_tol=1e-6)


def test_what_chance_makes_of_few_requests_moves_nothing() -> None:
    """Two more than the four that are to be there, and twenty more than forty."""
    assert steer(two(1.0, 6.0, 2.0), HALF, PERIOD) == HALF
    assert steer(two(10.0, 6.0, 2.0), HALF, PERIOD)["a"] < 0.5


def test_older_samples_move_less() -> None:
    def moved(age: float) -> float:
        return 0.5 - steer(two(9.0, 10.0, 1.0, age), HALF, PERIOD)["a"]

    assert moved(0.5) == moved(PERIOD)
    assert math.isclose(moved(3 * PERIOD), moved(PERIOD) / 3, rel_tol=0.05)
