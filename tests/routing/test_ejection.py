"""Ejection by results and the half-open probe of a single endpoint, by a clock of our own."""

import pytest
from health_steps import backend, eject, fail, succeed

from signalbox.routing.ejection import Cause

# three failures after the last success's start


@pytest.mark.parametrize("cause", [Cause.CONNECT, Cause.ERROR, Cause.SLOW, Cause.CREDENTIAL])
def test_three_failures_eject_for_ten_seconds(cause: Cause) -> None:
    _, (endpoint,), changes = backend()
    fail(endpoint, 1.0, cause=cause)
    fail(endpoint, 2.0, cause=cause)
    assert endpoint.admits(2.0)
    fail(endpoint, 3.0, cause=cause)
    assert not endpoint.admits(3.0)
    assert not endpoint.admits(12.9)
    assert endpoint.admits(13.0)
    assert changes == [("0", True, cause)]


def test_a_success_between_starts_the_count_anew() -> None:
    _, (endpoint,), _ = backend()
    for start in range(0, 60, 3):
        fail(endpoint, start)
        fail(endpoint, start + 1)
        succeed(endpoint, start + 2)
    assert endpoint.admits(60.0)


def test_a_success_that_started_before_the_failures_changes_nothing() -> None:
    _, (endpoint,), _ = backend()
    endpoint.started(0.0)
    fail(endpoint, 1.0)
    fail(endpoint, 2.0)
    endpoint.succeeded(0.0, 2.5)
    fail(endpoint, 3.0)
    assert not endpoint.admits(3.0)
    endpoint.started(3.1)
    endpoint.succeeded(0.0, 3.2)
    assert not endpoint.admits(3.2)


def test_failures_that_started_before_the_last_success_do_not_count() -> None:
    _, (endpoint,), _ = backend()
    for start in (0.0, 0.1, 0.2, 0.3):
        endpoint.started(start)
    succeed(endpoint, 5.0)
    for start in (0.0, 0.1, 0.2, 0.3):
        endpoint.failed(start, 60.0, Cause.ERROR)
    assert endpoint.admits(60.0)


def test_a_stream_cut_after_content_is_a_failure() -> None:
    _, (endpoint,), _ = backend()
    for start in (0.0, 1.0, 2.0):
        endpoint.started(start)
        endpoint.answered(start, start + 0.1)
        endpoint.failed(start, start + 0.5, Cause.ERROR)
    assert not endpoint.admits(3.0)


# half of ten starts in ten seconds


def test_half_of_ten_starts_failed_ejects_though_successes_lie_between() -> None:
    _, (endpoint,), _ = backend()
    for i in range(4):
        fail(endpoint, i)
        succeed(endpoint, i + 0.5)
    succeed(endpoint, 4.0)
    assert endpoint.admits(4.5)
    fail(endpoint, 4.5)
    assert not endpoint.admits(4.5)


def test_fewer_than_half_is_no_reason() -> None:
    _, (endpoint,), _ = backend()
    for i in range(200):
        (fail if i % 5 in (1, 3) else succeed)(endpoint, i * 0.1)
    assert endpoint.admits(20.0)


def test_starts_more_than_ten_seconds_ago_do_not_count() -> None:
    _, (endpoint,), _ = backend()
    for i in range(6):
        fail(endpoint, i * 4.0)
        succeed(endpoint, i * 4.0 + 2.0)
    assert endpoint.admits(30.0)


# what touches nothing


def test_clients_own_errors_and_busy_answers_touch_nothing() -> None:
    _, (endpoint,), _ = backend()
    for i in range(1000):
        endpoint.started(i * 0.01)
        endpoint.abandoned(i * 0.01, i * 0.01 + 0.005)
    assert endpoint.admits(10.0)
    fail(endpoint, 10.0)
    fail(endpoint, 11.0)
    for _ in range(50):
        endpoint.started(11.5)
        endpoint.abandoned(11.5, 11.6)
    fail(endpoint, 12.0)
    assert not endpoint.admits(12.0), "they do not wipe out failures either"


def test_clients_errors_do_not_thin_out_the_share_of_failures() -> None:
    _, (endpoint,), _ = backend()
    for i in range(5):
        fail(endpoint, i)
        for _ in range(20):
            endpoint.started(i + 0.1)
            endpoint.abandoned(i + 0.1, i + 0.2)
        if i < 4:
            succeed(endpoint, i + 0.5)
            assert endpoint.admits(i + 0.6)
    assert endpoint.admits(4.6), "nine starts"
    succeed(endpoint, 4.7)
    fail(endpoint, 4.8)
    assert not endpoint.admits(4.9)


# the burst


def test_five_hundred_in_flight_eject_once() -> None:
    _, (endpoint,), changes = backend()
    starts = [i * 0.01 for i in range(500)]
    for start in starts:
        endpoint.started(start)
    for start in starts:
        endpoint.failed(start, 6.0, Cause.ERROR)
    assert changes == [("0", True, Cause.ERROR)]
    assert not endpoint.admits(15.9)
    assert endpoint.admits(16.0)


def test_stragglers_of_the_burst_do_not_eject_again_after_readmission() -> None:
    _, (endpoint,), changes = backend()
    starts = [i * 0.01 for i in range(500)]
    for start in starts:
        endpoint.started(start)
    for start in starts[:3]:
        endpoint.failed(start, 5.0, Cause.ERROR)
    succeed(endpoint, 15.0, 15.1)
    assert endpoint.admits(15.1)
    for start in starts[3:]:
        endpoint.failed(start, 15.2, Cause.ERROR)
    assert endpoint.admits(15.2)
    assert [ejected for _, ejected, _ in changes] == [True, False]


# half-open


def test_one_probe_at_a_time_and_its_result_decides() -> None:
    _, (endpoint,), changes = backend()
    eject(endpoint, 0.0)
    assert endpoint.admits(10.1)
    assert endpoint.admits(10.1), "asking does not take the probe"
    endpoint.started(10.1)
    assert not endpoint.admits(10.2)
    endpoint.succeeded(10.1, 11.0)
    assert endpoint.admits(11.0)
    assert [ejected for _, ejected, _ in changes] == [True, False]


def test_a_failed_probe_doubles_up_to_five_minutes() -> None:
    _, (endpoint,), changes = backend()
    eject(endpoint, 0.0)
    now, lengths = 0.002, []
    for _ in range(8):
        start = now
        while not endpoint.admits(now):
            now += 0.5
        lengths.append(now - start)
        fail(endpoint, now)
    assert lengths == pytest.approx([10, 20, 40, 80, 160, 300, 300, 300], abs=1)
    assert len(changes) == 1


def test_the_first_content_of_a_stream_is_enough_of_a_probe() -> None:
    _, (endpoint,), _ = backend()
    eject(endpoint, 0.0)
    endpoint.started(11.0)
    endpoint.answered(11.0, 11.5)
    assert endpoint.admits(11.5)


def test_a_probe_that_says_nothing_frees_its_place() -> None:
    _, (endpoint,), _ = backend()
    eject(endpoint, 0.0)
    endpoint.started(11.0)
    endpoint.abandoned(11.0, 12.0)
    assert endpoint.admits(12.0)


def test_a_probe_that_nobody_ends_does_not_keep_the_endpoint_out_for_ever() -> None:
    _, (endpoint,), _ = backend()
    eject(endpoint, 0.0)
    endpoint.started(11.0)
    assert not endpoint.admits(40.0)
    assert endpoint.admits(41.0)


def test_a_healthy_while_forgets_the_doubling() -> None:
    def length_of_third_ejection(pause: float) -> float:
        _, (endpoint,), _ = backend()
        eject(endpoint, 0.0)
        fail(endpoint, 20.0)
        succeed(endpoint, 50.0)
        eject(endpoint, 50.0 + pause)
        now = 50.0 + pause
        while not endpoint.admits(now):
            now += 0.5
        return now - 50.0 - pause

    assert length_of_third_ejection(10.0) == pytest.approx(40.0, abs=1)
    assert length_of_third_ejection(100.0) == pytest.approx(10.0, abs=1)
