"""Figures of a run."""

import pytest

from signalbox.feedback.plan import SetKey
from signalbox.simulation.records import Records
from signalbox.simulation.scenarios import steady

KEY = SetKey("policy", "route")


def records(weights: list[dict[str, float]]) -> Records:
    """Of a run with these weights, one step after the other."""
    found = Records(steady(0.5), 1.0)
    found.weights[KEY] = [(found.begin + 5.0 * number, each) for number, each in enumerate(weights)]
    return found


def test_a_small_target_that_wavers_is_seen() -> None:
    weights = [{"large": 0.9 + change, "small": 0.1 - change} for change in (0.03, -0.03) * 10]
    found = records(weights).steadiness(KEY)
    assert found.variation == pytest.approx(0.06)
    assert found.worst == pytest.approx(0.3)
    assert found.autocorrelation == pytest.approx(-1.0, abs=0.1)


def test_a_few_steps_say_nothing() -> None:
    with pytest.raises(ValueError, match="ten steps"):
        records([{"a": 1.0}] * 9).steadiness(KEY)
