"""Load between samples, and priors."""

import pytest

from signalbox.routing.choosing.expectations import load, output_tokens
from signalbox.routing.quantiles import DecayedMean


def test_an_answer_is_as_long_as_usual_at_most_as_allowed_for_each_choice() -> None:
    assert output_tokens(300.0, None, 1) == 300.0
    assert output_tokens(300.0, 100, 1) == 100.0
    assert output_tokens(300.0, 500, 2) == 600.0


def test_what_was_sent_since_the_sample_counts_at_once() -> None:
    assert load(0.5, 9.0, 9.0, 100.0) == 0.5
    assert load(0.5, 19.0, 9.0, 100.0) == 1.0
    assert load(0.0, 1.0, 0.0, 100.0) > load(0.0, 0.0, 0.0, 100.0) > 0.0  # two idle targets take turns
    assert load(0.0, 3.0, 0.0, 4.0) == 0.75  # an idle one that is small is soon full
    assert load(None, 25.0, 0.0, 100.0) == 0.25


def test_a_prior_counts_as_some_measurements_that_never_fade() -> None:
    mean = DecayedMean(60.0)
    assert mean.beside(100.0, 10.0, 0.0) == 100.0
    for _ in range(10):
        mean.add(300.0, 0.0)
    assert mean.beside(100.0, 10.0, 0.0) == pytest.approx(200.0)
    assert mean.beside(100.0, 10.0, 600.0) == pytest.approx(100.0, abs=0.1)
