"""How good a router is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalbox.learning import metrics

GAIN = np.array([1.0, 0.0, 0.0, 1.0, 0.0, -1.0, 0.0, 1.0])


def test_the_first_target_alone_is_0_the_last_alone_1_and_drawing_lots_a_half() -> None:
    same = np.zeros(len(GAIN))
    assert metrics.apgr(same, GAIN, GAIN) == pytest.approx(0.5)
    curve = metrics.curve(GAIN, GAIN, GAIN)
    assert curve is not None
    assert (curve.recovered[0], curve.recovered[-1]) == (0.0, 1.0)


def test_who_sends_first_what_gains_most_is_better() -> None:
    oracle, wrong = metrics.apgr(GAIN, GAIN, GAIN), metrics.apgr(-GAIN, GAIN, GAIN)
    assert oracle > 1.0
    assert wrong < 0.0
    assert oracle + wrong == pytest.approx(1.0)


@given(st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0]), min_size=1, max_size=40))
def test_no_order_beats_the_oracle(gains: list[float]) -> None:
    gain = np.array(gains)
    order = np.random.default_rng(1).permutation(len(gain)).astype(float)
    oracle = metrics.area(gain, gain)
    assert metrics.area(order, gain) <= oracle + 1e-9
    if gain.sum() > 0:
        assert metrics.apgr(order, gain, gain) * gain.mean() == pytest.approx(metrics.area(order, gain))


def test_half_of_the_gap_is_reached_where_the_curve_crosses_it() -> None:
    curve = metrics.curve(
        np.array([4.0, 3.0, 2.0, 1.0]), np.array([1.0, 0.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0, 1.0])
    )
    assert curve is not None
    assert curve.at(0.5) == pytest.approx(0.25)
    assert curve.at(0.25) == pytest.approx(0.125)
    assert curve.at(1.5) is None


def test_without_a_gap_there_is_no_apgr() -> None:
    assert metrics.curve(GAIN, GAIN, -np.abs(GAIN)) is None
    assert np.isnan(metrics.apgr(GAIN, GAIN, -np.abs(GAIN)))


def test_each_fold_is_ranked_by_itself() -> None:
    fold = np.array([0, 0, 0, 1, 1, 1])
    placed = metrics.ranks(np.array([1.0, 2.0, 3.0, 100.0, 200.0, 200.0]), fold)
    assert placed.tolist() == pytest.approx([1 / 6, 0.5, 5 / 6, 1 / 6, 2 / 3, 2 / 3])


def test_the_bootstrap_is_around_the_value_and_paired() -> None:
    random = np.random.default_rng(2)
    gain = (random.random(400) < 0.2).astype(float)
    good, bad = gain + random.normal(0, 1, 400), random.normal(0, 1, 400)
    draws = metrics.bootstrap([good, bad, good], [gain] * 3, gain, seed=3)
    low, high = metrics.interval(draws[:, 0])
    assert low < metrics.apgr(good, gain, gain) < high
    assert draws[:, 0].mean() == pytest.approx(metrics.apgr(good, gain, gain), abs=0.02)
    assert metrics.interval(draws[:, 0] - draws[:, 2]) == (0.0, 0.0)
    assert metrics.interval(draws[:, 0] - draws[:, 1])[0] > 0.0
    assert (draws == metrics.bootstrap([good, bad, good], [gain] * 3, gain, seed=3)).all()


def test_calibration_error_is_the_mean_distance_of_bins() -> None:
    predicted = np.repeat([0.2, 0.8], 50)
    observed = np.concatenate([np.tile([0.0, 0.0, 0.0, 0.0, 1.0], 10), np.tile([1.0, 0.0], 25)])
    found = metrics.reliability(predicted, observed, bins=2)
    assert found.counts.tolist() == [50, 50]
    assert found.ece == pytest.approx((0.0 + 0.3) / 2)


def test_auc_counts_pairs() -> None:
    assert metrics.auc(np.array([0.1, 0.9]), np.array([0.0, 1.0])) == 1.0
    assert metrics.auc(np.array([0.9, 0.1]), np.array([0.0, 1.0])) == 0.0
    assert metrics.auc(np.array([0.5, 0.5, 0.5]), np.array([0.0, 1.0, 1.0])) == 0.5
