"""Means, intervals and the part of a gap that is recovered."""

import numpy as np
import pytest

from signalbox.evaluation.statistics import column, means, quantile, recovery
from signalbox.learning import metrics


def test_means_are_of_what_is_known() -> None:
    one, none, rare = means([column([1.0, 0.0, 1.0, 0.0]), column([None] * 4), column([None, None, None, 0.25])])
    assert one is not None and rare is not None
    assert none is None
    assert one.value == 0.5
    assert one.low < 0.5 < one.high
    assert (rare.value, rare.low, rare.high) == (0.25, 0.25, 0.25)


def test_intervals_are_as_wide_as_theory_says() -> None:
    random = np.random.default_rng(1)
    found = means([random.normal(0.0, 1.0, 400)])[0]
    assert found is not None
    assert (found.high - found.low) / 2 == pytest.approx(1.96 / 20, rel=0.15)


def test_apgr_is_that_of_training_reports() -> None:
    random = np.random.default_rng(2)
    order, last = random.normal(size=300), random.choice([-1.0, 0.0, 1.0], 300, p=[0.1, 0.5, 0.4])
    order[:150] = np.round(order[:150])  # many equal ones
    found = recovery(order, last, last, last * (order > 0.0))
    assert found is not None
    assert found.apgr.value == pytest.approx(metrics.apgr(order, last, last))
    assert found.apgr.low < found.apgr.value < found.apgr.high
    assert found.recovered.value == pytest.approx(float((last * (order > 0.0)).sum() / last.sum()))


def test_without_an_order_it_is_a_half_and_without_a_gap_nothing() -> None:
    last = np.array([1.0, 0.0, 1.0, 0.0])
    found = recovery(np.zeros(4), last, last, last)
    assert found is not None
    assert found.apgr.value == pytest.approx(0.5)
    assert recovery(np.zeros(4), -last, -last, last) is None


def test_quantiles_of_mixtures() -> None:
    values, weights = np.array([30.0, 10.0, 20.0]), np.array([0.05, 0.5, 0.45])
    assert quantile(values, weights, 0.5) == 10.0
    assert quantile(values, weights, 0.95) == 20.0
    assert quantile(values, weights, 0.96) == 30.0
