"""How much words and length say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from signalbox.learning import blend, cuts, logistic, prior
from signalbox.learning.settings import StrongShare, Threshold

NOBODY = np.zeros(200)


def better_with_words(part: float) -> np.ndarray:
    return np.full(200, 1.0 - part)


def better_with_length(part: float) -> np.ndarray:
    return np.full(200, part)


def test_words_that_help_everywhere_count_most() -> None:
    assert blend.choose(200, better_with_words, better_with_words) == min(blend.PARTS)


def test_words_that_mislead_on_kinds_left_out_do_not_count_at_all() -> None:
    assert blend.choose(200, lambda part: 9 * better_with_words(part), better_with_length) == 1.0


def test_without_evidence_it_is_what_is_usual_for_so_many_examples() -> None:
    noise = np.random.default_rng(1).normal(size=(8, 200))
    parts = [blend.usual(200), *blend.PARTS]
    found = blend.choose(200, lambda part: noise[parts.index(part)], lambda _: NOBODY)
    assert found == blend.usual(200)
    assert blend.usual(100) > blend.usual(1000) > blend.usual(100_000) > 0.0


VALUES = arrays(np.float64, st.integers(2, 50), elements=st.floats(-10, 10))


@settings(max_examples=40)
@given(VALUES, st.integers(0, 2**32 - 1))
def test_calibration_keeps_the_order(values: np.ndarray, seed: int) -> None:
    outcomes = np.random.default_rng(seed).random(len(values))
    _, slope = blend.line(values, outcomes)
    assert slope > 0.0


def test_calibration_gives_the_mean_that_came() -> None:
    random = np.random.default_rng(1)
    said = random.normal(size=5000)
    came = 0.2 + 0.1 * said + random.normal(size=5000)
    intercept, slope = blend.line(said, came)
    assert intercept == pytest.approx(0.2, abs=0.05)
    assert slope == pytest.approx(0.1, abs=0.05)


def test_probabilities_are_those_that_came() -> None:
    random = np.random.default_rng(1)
    x = random.normal(size=(4000, 1))
    y = (random.random(4000) < logistic.probability(0.5 + 1.5 * x[:, 0])).astype(float)
    intercept, slopes = logistic.fit(x, y)
    assert intercept == pytest.approx(0.5, abs=0.15)
    assert slopes[0] == pytest.approx(1.5, abs=0.2)


@settings(max_examples=40)
@given(arrays(np.float64, (6, 2), elements=st.floats(-5, 5)), st.lists(st.booleans(), min_size=6, max_size=6))
def test_a_logistic_is_finite_also_where_classes_are_apart(x: np.ndarray, y: list[bool]) -> None:
    intercept, slopes = logistic.fit(x, np.array(y, np.float64))
    assert np.isfinite([intercept, *slopes]).all()


@settings(max_examples=40)
@given(arrays(np.float64, st.integers(1, 80), elements=st.floats(-1, 1), unique=True), st.integers(0, 100))
def test_a_cut_leaves_its_share(order: np.ndarray, percent: int) -> None:
    cut = cuts.cut("Scores", StrongShare(percent), order)
    assert cut is not None
    assert int((order > cut).sum()) == round(percent / 100 * len(order))


def test_other_cuts() -> None:
    assert cuts.cut("Scores", Threshold(12), NOBODY) == 0.12
    assert cuts.cut("Scores", None, NOBODY) == 0.0
    assert cuts.cut("Labels", None, NOBODY) is None


def test_longer_is_harder_unless_examples_clearly_say_otherwise() -> None:
    length = np.linspace(-2, 2, 400)
    noise = np.random.default_rng(1).normal(size=400)
    assert prior.leaning(length, length + noise, 1.0) == 1.0
    assert prior.leaning(length, noise, 1.0) == 1.0
    assert prior.leaning(length, noise - length, 1.0) == -1.0
    assert prior.leaning(length, noise, 0.0) == 0.0
    assert prior.leaning(length, np.zeros(400), 1.0) == 1.0


@pytest.mark.parametrize("count", [2, 3, 5])
def test_the_prior_gives_every_label_its_share(count: int) -> None:
    outputs, lengths = prior.outputs(count), prior.typical()
    gains = np.stack([np.zeros(len(lengths)), *(each.intercept + each.length * lengths for each in outputs[1:])])
    shares = np.bincount(gains.argmax(axis=0), minlength=count) / len(lengths)
    assert shares == pytest.approx([1 / count] * count, abs=0.01)
