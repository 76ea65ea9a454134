"""Running statistics: close to the truth, bounded, and fading."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalbox.routing.quantiles import DecayedMean, ErrorRate, Quantile, TokenCorrection


@given(st.lists(st.floats(1.0, 1e6), min_size=1, max_size=1000))
def test_a_quantile_is_the_true_one_or_up_to_19_percent_above(values: list[float]) -> None:
    quantile = Quantile()
    for value in values:
        quantile.add(value)
    true = sorted(values)[math.ceil(0.95 * len(values)) - 1]
    seen = quantile.value()
    assert seen is not None
    assert true * 0.999 <= seen <= true * 1.2


@given(st.lists(st.floats(0.0, 1e12), max_size=50))
def test_a_quantile_takes_any_duration(values: list[float]) -> None:
    quantile = Quantile()
    assert quantile.value() is None
    for value in values:
        quantile.add(value)
        assert quantile.value() is not None


def test_a_quantile_forgets() -> None:
    quantile = Quantile()
    for _ in range(5000):
        quantile.add(10_000.0)
    for _ in range(5000):
        quantile.add(100.0)
    seen = quantile.value()
    assert seen is not None
    assert seen < 120


def test_a_decayed_mean_follows_and_then_disappears() -> None:
    mean = DecayedMean(seconds=60)
    assert mean.value(0.0) is None
    for second in range(300):
        mean.add(100.0, float(second))
    assert mean.value(300.0) == pytest.approx(100.0)
    for second in range(300, 500):
        mean.add(900.0, float(second))
    assert mean.value(500.0) == pytest.approx(900.0, rel=0.05)
    assert mean.value(560.0) == pytest.approx(900.0, rel=0.05)
    assert mean.value(2000.0) is None


def test_an_error_rate_follows_and_falls_to_zero_without_requests() -> None:
    rate = ErrorRate(seconds=60)
    assert rate.value(0.0) == 0.0
    chance = random.Random(1)
    now = 0.0
    for _ in range(5000):
        now += 0.1
        rate.add(chance.random() < 0.3, now)
    assert rate.value(now) == pytest.approx(0.3, abs=0.06)
    assert rate.value(now + 600) < 0.03


def test_one_failure_alone_is_no_rate_of_one() -> None:
    rate = ErrorRate()
    rate.add(True, 10.0)
    assert rate.value(10.0) == 0.5


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1e4)), max_size=50))
def test_an_error_rate_is_a_ratio(events: list[tuple[bool, float]]) -> None:
    rate, now = ErrorRate(), 0.0
    for failed, wait in events:
        now += wait
        rate.add(failed, now)
        assert 0.0 <= rate.value(now) <= 1.0


def test_the_token_correction_learns_and_stays_in_bounds() -> None:
    correction = TokenCorrection()
    assert correction.value == 1.0
    for _ in range(500):
        correction.observe(100, 130)
    assert correction.value == pytest.approx(1.3, rel=0.01)
    for _ in range(1000):
        correction.observe(10, 100_000)
    assert correction.value == 4.0
    for _ in range(5000):
        correction.observe(100_000, 1)
    assert correction.value == 0.25


@pytest.mark.parametrize(("estimated", "seen"), [(0, 10), (10, 0), (-1, 5)])
def test_what_says_nothing_teaches_nothing(estimated: int, seen: int) -> None:
    correction = TokenCorrection()
    correction.observe(estimated, seen)
    assert correction.value == 1.0
