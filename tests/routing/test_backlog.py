"""Samples that are old, corrected by what a worker did since."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalbox.routing.backlog import ARRIVAL_SECONDS, MOST_SCALE, QUANTUM, Backlog


def test_without_a_sample_it_is_what_the_worker_has_in_flight() -> None:
    backlog = Backlog(0.0)
    assert backlog.estimate == 0.0
    backlog.began(1.0)
    backlog.began(1.1)
    backlog.ended(1.2)
    assert backlog.estimate == backlog.in_flight == 1
    assert backlog.started == 2


def test_what_came_after_the_sample_is_added_and_what_was_there_is_not() -> None:
    backlog = Backlog(0.0)
    for _ in range(3):
        backlog.began(1.0)
    for _ in range(2):
        backlog.began(4.0)
    backlog.sample(10.0, None, age=2.0, now=5.0)  # of second 3, when three of ours were among the ten
    assert backlog.estimate == 12.0
    for _ in range(5):
        backlog.ended(5.5)
    assert backlog.estimate == 7.0


def test_one_that_sends_a_part_of_the_traffic_stands_for_the_rest() -> None:
    backlog = Backlog(0.0)
    for second in range(100):
        backlog.began(float(second))
        backlog.ended(second + 0.5)
    backlog.sample(10.0, arrivals=4.0, age=0.0, now=100.0)
    assert backlog.scale == pytest.approx(4.0, rel=0.1)
    backlog.began(100.1)
    assert backlog.estimate == pytest.approx(14.0, abs=0.5)


@pytest.mark.parametrize(("arrivals", "scale"), [(0.0, 1.0), (1e6, MOST_SCALE), (1 / ARRIVAL_SECONDS, 1.0)])
def test_the_scale_is_bounded_also_where_the_worker_has_sent_nothing(arrivals: float, scale: float) -> None:
    backlog = Backlog(0.0)
    backlog.sample(5.0, arrivals, age=0.0, now=100.0)
    assert backlog.scale == scale
    assert backlog.estimate == 5.0


def test_an_engine_that_calls_itself_idle_hides_nothing() -> None:
    backlog = Backlog(0.0)
    for _ in range(5):
        backlog.began(1.0)
    backlog.sample(0.0, None, age=0.0, now=2.0)
    assert backlog.estimate == 5.0


def test_a_sample_that_is_forgotten_leaves_what_the_worker_knows() -> None:
    backlog = Backlog(0.0)
    backlog.began(1.0)
    backlog.sample(50.0, 2.0, age=0.0, now=2.0)
    backlog.forget()
    assert backlog.estimate == backlog.scale * backlog.in_flight


@given(
    st.lists(st.tuples(st.floats(0.0, 3.0), st.booleans()), max_size=200),
    st.floats(0.0, 15.0),
    st.floats(0.0, 1000.0),
)
def test_it_is_never_negative_and_never_off_by_more_than_a_quantum_of_changes(
    steps: list[tuple[float, bool]], age: float, in_system: float
) -> None:
    backlog, now, events = Backlog(0.0), 0.0, [(0.0, 0)]
    for pause, begins in steps:
        now += pause
        if begins or not backlog.in_flight:
            backlog.began(now)
        else:
            backlog.ended(now)
        events.append((now, backlog.in_flight))
    backlog.sample(in_system, None, age, now)
    at = max(0.0, now - age)
    near = [count for when, count in events if at <= when <= at + QUANTUM] + [[c for w, c in events if w <= at][-1]]
    assert min(near) - 1e-6 <= in_system - backlog.offset <= max(near) + 1e-6
    for _ in range(backlog.in_flight):
        backlog.ended(now)
    assert backlog.estimate >= 0.0


def test_its_memory_is_bounded() -> None:
    backlog, chance = Backlog(0.0), random.Random(1)
    for step in range(10_000):
        backlog.began(step * chance.random())
    assert len(backlog._history) <= 80
