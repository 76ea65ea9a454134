"""Requests come as often as is said, and as unlike."""

import statistics
from dataclasses import replace
from itertools import pairwise

import pytest

from signalbox.feedback.readings import PROMPT_WORK
from signalbox.simulation import scenarios
from signalbox.simulation.arrivals import jobs


def test_poisson_arrivals_have_gaps_as_unlike_as_their_mean() -> None:
    scenario = replace(scenarios.steady(0.5), requests=20_000)
    gaps = [b.arrived - a.arrived for a, b in pairwise(jobs(scenario, 1))]
    assert statistics.mean(gaps) == pytest.approx(1 / scenario.rate, rel=0.02)
    assert statistics.stdev(gaps) == pytest.approx(1 / scenario.rate, rel=0.05)


def test_lengths_vary_by_their_mean_and_work_by_somewhat_less() -> None:
    found = list(jobs(replace(scenarios.steady(0.5), requests=50_000), 1))
    for lengths, mean, variation in (
        ([job.output for job in found], 260.0, 1.0),
        ([job.prompt for job in found], 400.0, 1.0),
        ([job.output + PROMPT_WORK * job.prompt for job in found], 300.0, 0.88),
    ):
        assert statistics.mean(lengths) == pytest.approx(mean, rel=0.02)
        assert statistics.stdev(lengths) / mean == pytest.approx(variation, rel=0.06)


def test_a_burst_is_five_times_the_mean() -> None:
    scenario = replace(scenarios.bursts(), requests=20_000)
    times = [job.arrived for job in jobs(scenario, 1)]
    inside = sum(55.0 < at % 120.0 < 65.0 for at in times) / (times[-1] / 12.0)
    assert inside / scenario.rate == pytest.approx(5.0, rel=0.1)
    assert len(times) / times[-1] == pytest.approx(scenario.rate, rel=0.02)


def test_a_day_swings_by_half() -> None:
    scenario = replace(scenarios.days(), requests=20_000)
    times = [job.arrived for job in jobs(scenario, 1)]
    day = scenario.duration / 2.0
    halves = [sum(at % day < day / 2.0 for at in times), sum(at % day >= day / 2.0 for at in times)]
    # The mean of a sine over half of its length is 2 / pi.
    assert halves[0] / sum(halves) == pytest.approx(0.5 + 0.5 * 0.5 * 2 / 3.1416, abs=0.01)
    assert len(times) / times[-1] == pytest.approx(scenario.rate, rel=0.03)
