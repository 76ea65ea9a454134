"""When those who are refused come again."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from signalbox.router.serving.appointments import LATEST_SECONDS, PER_SECOND, SOONEST_SECONDS, Appointments


def test_a_few_come_again_soon() -> None:
    appointments = Appointments()
    assert {appointments.seconds(1000.0) for _ in range(PER_SECOND - 1)} == {SOONEST_SECONDS}
    assert {appointments.seconds(1000.0) for _ in range(PER_SECOND)} == {SOONEST_SECONDS, SOONEST_SECONDS + 1}


def test_many_who_are_refused_again_and_again_come_a_few_at_a_time() -> None:
    appointments = Appointments()
    clients = 5 * PER_SECOND
    due = {0: clients}  # who comes in which second
    came = Counter[int]()
    for second in range(60):
        came[second] = due.pop(second, 0)
        for number in range(came[second]):
            again = second + appointments.seconds(1000.0 + second + number / clients)
            due[again] = due.get(again, 0) + 1
    assert came[0] == clients
    assert max(came[second] for second in range(1, 60)) <= 1.5 * PER_SECOND  # whole seconds: two may fall together
    assert sum(came[second] for second in range(10, 60)) >= 0.8 * 50 * PER_SECOND, "nobody is put off for long"


def test_those_who_are_too_many_for_that_come_as_many_in_each_second() -> None:
    appointments = Appointments()
    told = Counter(appointments.seconds(1000.0) for _ in range(100 * PER_SECOND))
    assert set(told) == set(range(SOONEST_SECONDS, LATEST_SECONDS + 1))
    assert max(told.values()) <= min(told.values()) + 2 * PER_SECOND


def test_when_nobody_was_refused_for_long_it_is_soon_again() -> None:
    appointments = Appointments()
    for _ in range(5 * PER_SECOND):
        appointments.seconds(1000.0)
    assert appointments.seconds(1000.0) > SOONEST_SECONDS
    assert appointments.seconds(1000.0 + LATEST_SECONDS) == SOONEST_SECONDS


@given(st.lists(st.floats(0.0, 3.0), max_size=50), st.integers(1, 1000))
def test_it_is_always_between_soonest_and_latest(pauses: list[float], at_once: int) -> None:
    appointments = Appointments()
    now = 0.0
    for pause in [0.0, *pauses]:
        now += pause
        for _ in range(at_once):
            assert SOONEST_SECONDS <= appointments.seconds(now) <= LATEST_SECONDS
