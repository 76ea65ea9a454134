"""What real engines get is what simulated ones get."""

from dataclasses import replace
from itertools import islice

from benchmarks import loop
from signalbox.feedback.plan import INTERVAL
from signalbox.sim.prefixes import PrefixCache, blocks_of
from signalbox.simulation.arrivals import jobs
from signalbox.simulation.scenarios import steady, unknown
from signalbox.simulation.world import World


def test_no_two_prompts_begin_alike() -> None:
    cache = PrefixCache(8192)
    for job in islice(jobs(steady(0.8), 7), 50):
        messages = loop.body(job, "m")["messages"]
        assert isinstance(messages, list)
        blocks = blocks_of(messages[0]["content"].encode())
        assert cache.match(blocks) == 0
        cache.insert(blocks)


def test_a_faster_scenario_is_the_same_in_less_time() -> None:
    before = steady(0.8)
    after = loop.faster(before)
    assert after.duration * loop.SPEED == before.duration
    assert after.policies[0].interval * loop.SPEED == INTERVAL
    assert [round(job.arrived * loop.SPEED, 6) for job in islice(jobs(after, 7), 50)] == [
        round(job.arrived, 6) for job in islice(jobs(before, 7), 50)
    ]


def test_who_does_not_know_capacities_weighs_all_alike() -> None:
    assert [loop.counterpart(scenario, "Static") for scenario in (steady(0.8), unknown())] == ["Static", "Uniform"]


def test_who_died_is_back_at_the_end() -> None:
    scenario = loop.faster(replace(loop.dies(), requests=loop.REQUESTS))
    (found,) = World(scenario, "Law", loop.SEED).run().weights.values()
    weights = [each["d4"] for at, each in found if at <= scenario.duration]
    periods = len(weights)
    assert set(weights[round(0.3 * periods) : round(loop.RETURNS * periods)]) == {0.0}
    assert weights[-1] > 0.15
