"""Whole runs: every request ends once, the same seed gives the same, and who is better is better."""

from dataclasses import replace

import pytest

from signalbox.simulation import scenarios
from signalbox.simulation.scenario import Scenario
from signalbox.simulation.schedulers import SCHEDULERS, Scheduler
from signalbox.simulation.world import run

ALL = [make(2) for make, _ in scenarios.PROMISED] + [make() for make in scenarios.BEYOND]


@pytest.mark.parametrize("scenario", ALL, ids=lambda each: each.name)
def test_every_request_ends_once(scenario: Scenario) -> None:
    found = run(replace(scenario, requests=1500), "Law", 1)
    assert len(found.latencies) + found.shed + found.failed == 1500
    assert all(latency > 0.0 for latency in found.latencies)
    for weights in found.weights.values():
        assert all(sum(each.values()) == pytest.approx(1.0) for _, each in weights)
    rates = [each.machine.rate for each in scenario.backends]
    for worked, rate in zip(found.worked, rates, strict=True):
        assert all(0.0 <= each <= rate * found.seconds for each in worked)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_seed_says_everything(scheduler: Scheduler) -> None:
    scenario = replace(scenarios.dead(3), requests=800)
    one, same, other = (run(scenario, scheduler, seed) for seed in (1, 1, 2))
    assert (one.latencies, one.places) == (same.latencies, same.places)
    assert one.latencies != other.latencies


def test_all_schedulers_get_the_same_requests() -> None:
    scenario = replace(scenarios.steady(0.5), requests=500)
    assert len({tuple(sorted(run(scenario, each, 1).arrived)) for each in SCHEDULERS}) == 1


def test_the_law_is_near_to_who_knows_everything_and_far_from_who_knows_nothing() -> None:
    scenario = replace(scenarios.steady(0.85, 4), requests=4000)
    law, best, least, blind = (
        run(scenario, each, 3).quantile(0.99) for each in ("Law", "Omniscient", "LeastInFlight", "Uniform")
    )
    # Chance alone may put the law a little before the greedy one.
    assert 0.98 * best < law < 1.2 * best < least < blind


def test_a_dead_backend_costs_no_request() -> None:
    found = run(replace(scenarios.dead(2), requests=2000), "Law", 1)
    assert found.failed == found.shed == 0


def test_nobody_gets_more_than_its_limit_and_who_refuses_is_left_alone_for_a_while() -> None:
    def turned_away(refuses: bool) -> tuple[int, int]:
        backends = (replace(scenarios.five()[0], limit=4, refuses=refuses),)
        scenario = Scenario("limited", backends, scenarios.free(backends), load=1.2, requests=1000)
        found = run(scenario, "Law", 1)
        assert all(in_system[0] <= 4 for _, in_system in found.looks)
        return found.shed, found.failed

    shed, failed = turned_away(refuses=False)
    assert shed > 100
    assert failed == 0
    assert min(turned_away(refuses=True)) > 100


def test_late_and_lost_reports_cost_something() -> None:
    slow = replace(scenarios.slow(4), requests=4000)
    p99 = [
        run(replace(slow, **worse), "Law", 1).quantile(0.99)  # type: ignore[arg-type]
        for worse in ({}, {"report_delay": 30.0, "scrape_delay": 30.0}, {"reports_lost": 0.95, "scrapes_lost": 0.95})
    ]
    assert 1.1 * p99[0] < min(p99[1:])


def test_conversations_that_find_their_prompts_are_less_work() -> None:
    def worked(cache: float) -> float:
        scenario = scenarios.steady(0.5)
        backends = tuple(
            replace(each, machine=each.machine._replace(cache=cache)) for each in scenario.backends if each.name == "e8"
        )
        found = run(
            replace(scenario, backends=backends, policies=scenarios.free(backends), requests=1000, conversations=20),
            "Law",
            1,
        )
        return sum(map(sum, found.worked))

    assert worked(1e6) < 0.95 * worked(0.0)


def test_affinity_finds_what_two_random_draws_lose() -> None:
    drawn, kept = (run(replace(scenarios.chats(percent), requests=3000), "Law", 1) for percent in (None, 125))
    assert kept.cached > 1.5 * drawn.cached
    assert kept.quantile(0.5) < drawn.quantile(0.5)
