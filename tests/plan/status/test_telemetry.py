"""Figures in a status: by a clock of the test's own."""

from hypothesis import given
from hypothesis import strategies as st

from signalbox.plan.status.telemetry import MOST_A_SECOND, SECONDS, TURN_SECONDS, Telemetry


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_first_figure_and_the_steps_from_and_to_none_are_written_at_once() -> None:
    telemetry = Telemetry(Clock())
    assert telemetry.wait("a", None, (3, 3)) == 0
    assert telemetry.wait("a", (3, 3), (0, 3)) == 0
    assert telemetry.wait("a", (0, 3), (1, 3)) == 0


def test_others_wait_until_half_a_minute_has_passed() -> None:
    clock = Clock()
    telemetry = Telemetry(clock)
    telemetry.wait("a", None, (10, 10))
    clock.now += 10
    assert telemetry.wait("a", (10, 10), (9, 10)) == 20
    clock.now += 20
    assert telemetry.wait("a", (10, 10), (9, 10)) == 0
    assert telemetry.wait("a", (9, 10), (8, 10)) == SECONDS


def test_what_has_hardly_moved_is_never_written() -> None:
    clock = Clock()
    telemetry = Telemetry(clock)
    clock.now += 1000
    assert telemetry.wait("a", (95, 100), (100, 100)) is None
    assert telemetry.wait("a", (90, 100), (100, 100)) == 0


@given(st.lists(st.tuples(st.integers(0, 60), st.floats(0, 0.5)), max_size=300))
def test_all_together_are_bounded(steps: list[tuple[int, float]]) -> None:
    clock = Clock()
    telemetry = Telemetry(clock)
    written: list[tuple[int, float]] = []
    for key, pause in steps:
        clock.now += pause
        if telemetry.wait(key, (10, 10), (5, 10)) == 0:
            written.append((key, clock.now))
    for key, at in written:
        assert sum(at - 1.0 < other <= at for _, other in written) <= MOST_A_SECOND
        assert sum(at - SECONDS < other <= at for one, other in written if one == key) <= 1


def test_what_comes_and_goes_is_told_soon_but_not_all_the_time() -> None:
    clock = Clock()
    telemetry = Telemetry(clock)
    assert telemetry.turned("a") == 0
    assert all(telemetry.turned(key) == 0 for key in range(MOST_A_SECOND - 1))
    assert telemetry.turned("b") == 1, "whatever it is, all together are bounded"
    clock.now += 1
    assert telemetry.turned("a") == TURN_SECONDS - 1
    assert telemetry.moved("a") == SECONDS - 1
    clock.now += TURN_SECONDS
    assert telemetry.turned("a") == 0
