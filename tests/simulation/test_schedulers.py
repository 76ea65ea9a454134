"""What a route says of its targets is what every scheduler goes by."""

import pytest

from signalbox.feedback.plan import Mode
from signalbox.simulation.engines import Machine
from signalbox.simulation.scenario import Backend, Policy, Route, Scenario, Target
from signalbox.simulation.schedulers import SCHEDULERS, Scheduler
from signalbox.simulation.world import run

BACKENDS = (Backend("x", Machine(800, 16)), Backend("y", Machine(800, 16)))


def part_of_x(scheduler: Scheduler, *tiers: tuple[Target, ...], mode: Mode = "Active") -> float:
    policy = Policy("p", (Route("r", tiers),), mode=mode)
    found = run(Scenario("s", BACKENDS, (policy,), load=0.3, requests=600), scheduler, 1)
    assert found.failed == found.shed == 0
    return found.shares(0.0)["x"]


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_several_targets_may_be_one_backend(scheduler: Scheduler) -> None:
    tier = (Target("x", 9, "a"), Target("x", 1, "b"), Target("y", 10, "c"))
    assert part_of_x(scheduler, tier) == pytest.approx(0.5, abs=0.1)


# Inverse queue lengths leave declared shares by design.
@pytest.mark.parametrize("scheduler", ["Law", "Static", "Uniform"])
def test_a_backend_may_have_another_weight_in_another_tier(scheduler: Scheduler) -> None:
    tiers = (Target("x", 9, "a"), Target("y", 1, "b")), (Target("x", 1, "a"),)
    assert part_of_x(scheduler, *tiers, mode="Disabled") == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_weight_zero_is_nothing(scheduler: Scheduler) -> None:
    assert part_of_x(scheduler, (Target("x", 0, "a"), Target("y", 1, "b"))) == 0.0
