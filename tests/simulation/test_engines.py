"""The engine against what queueing theory knows."""

import math
import random
from collections.abc import Callable

import pytest

from signalbox.simulation.clock import Clock
from signalbox.simulation.engines import BATCH_EXPONENT, Engine, Machine
from signalbox.simulation.jobs import Job


def drive(machine: Machine, arrivals: float, work: Callable[[random.Random], float], count: int) -> tuple[float, float]:
    """Poisson arrivals: the mean time in the engine, and the mean number that an arrival finds there."""
    rng, clock, engine = random.Random(7), Clock(), Engine(machine)
    times, found = [], []

    def arrive() -> None:
        if len(found) < count:
            clock.at(clock.now + rng.expovariate(arrivals), arrive)
        found.append(engine.running + engine.waiting)
        engine.submit(Job(clock.now, work(rng), 0.0), clock.now)
        clock.at(engine.due, complete, engine.version)

    def complete(version: int) -> None:
        if version == engine.version:
            times.append(clock.now - engine.end(clock.now).arrived)
            if engine.running:
                clock.at(engine.due, complete, engine.version)

    clock.at(0.0, arrive)
    clock.run(lambda: True)
    assert len(times) == len(found) == count + 1
    return sum(times) / len(times), sum(found) / len(found)


def test_one_at_a_time_is_mm1() -> None:
    """E[T] = 1 / (mu - lambda)."""
    mean, found = drive(Machine(rate=100.0, batch=1), 0.7, lambda rng: rng.expovariate(1 / 100.0), 100_000)
    assert mean == pytest.approx(1 / (1.0 - 0.7), rel=0.05)
    assert found == pytest.approx(0.7 / 0.3, rel=0.05)


@pytest.mark.parametrize("variation", [0.5, 1.5])
def test_a_batch_is_processor_sharing_whatever_the_lengths(variation: float) -> None:
    """Sharing is insensitive: only the mean of the lengths counts, for rates that depend on the number, too. So the
    number there has the distribution of a birth-death chain."""
    batch, rate, load = 64, 100.0, 0.5
    spread = math.sqrt(math.log1p(variation**2))
    arrivals = load * rate / 100.0
    mean, found = drive(
        Machine(rate, batch),
        arrivals,
        lambda rng: 100.0 * rng.lognormvariate(-spread * spread / 2, spread),
        40_000,
    )
    weights = [1.0]
    for number in range(1, batch + 1):
        weights.append(weights[-1] * arrivals / (rate / 100.0 * (number / batch) ** BATCH_EXPONENT))
    expected = sum(number * weight for number, weight in enumerate(weights)) / sum(weights)
    assert found == pytest.approx(expected, rel=0.05)
    assert mean == pytest.approx(expected / arrivals, rel=0.05)


def test_it_says_what_it_has_done() -> None:
    engine = Engine(Machine(rate=100.0, batch=4))
    for _ in range(6):
        engine.submit(Job(0.0, 100.0, 0.0), 0.0)
    first = engine.reading(1.0)
    assert (first.running, first.waiting, first.finished) == (4, 2, 0)
    assert first.generated == pytest.approx(100.0)
    assert engine.due == pytest.approx(4.0)
    engine.end(4.0)
    assert engine.reading(4.0).waiting == 1
    assert engine.reading(4.0).finished == 1


def test_half_a_batch_gets_two_thirds_of_the_rate() -> None:
    engine = Engine(Machine(rate=100.0, batch=4))
    for _ in range(2):
        engine.submit(Job(0.0, 100.0, 0.0), 0.0)
    assert engine.due == pytest.approx(200.0 / (100.0 * 0.5**0.6))


def test_what_is_expected_is_what_happens_at_one_place() -> None:
    engine = Engine(Machine(rate=100.0, batch=1))
    engine.submit(Job(0.0, 100.0, 0.0), 0.0)
    engine.submit(Job(0.0, 300.0, 0.0), 0.0)
    assert engine.expected(50.0, 0.5) == pytest.approx(4.0)


def test_slower_takes_longer() -> None:
    engine = Engine(Machine(rate=100.0, batch=1))
    engine.submit(Job(0.0, 100.0, 0.0), 0.0)
    engine.drift(4.0, 0.5)
    assert engine.due == pytest.approx(2.5)


def test_a_death_loses_everything_and_counters_begin_anew() -> None:
    engine = Engine(Machine(rate=100.0, batch=1))
    jobs = [Job(0.0, 100.0, 0.0) for _ in range(3)]
    for job in jobs:
        engine.submit(job, 0.0)
    engine.end(1.0)
    assert engine.fail(1.5) == jobs[1:]
    assert engine.down
    engine.recover(2.0)
    assert engine.reading(2.0).generated == 0.0
    assert engine.reading(2.0).finished == 0
    assert (engine.running, engine.waiting) == (0, 0)


def test_a_conversation_finds_its_prompt() -> None:
    engine = Engine(Machine(rate=100.0, batch=8, cache=1000.0))

    def ask(conversation: int) -> float:
        job = Job(0.0, 10.0, 400.0)
        job.conversation, job.prefix = conversation, 300.0
        engine.submit(job, 0.0)
        return job.uncached

    assert [ask(1), ask(1), ask(2), ask(3), ask(1)] == [400.0, 100.0, 400.0, 400.0, 400.0]
    assert (engine.hits, engine.prompted) == (300.0, 2000.0)
