"""Ejection, probes, active checks and silence of single endpoints, by a clock of our own."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signalbox.routing.ejection import BackendHealth, Cause, EndpointHealth

Change = tuple[object, bool, Cause]


def backend(endpoints: int = 1) -> tuple[BackendHealth, list[EndpointHealth], list[Change]]:
    changes: list[Change] = []
    health = BackendHealth(on_change=lambda key, ejected, cause: changes.append((key, ejected, cause)))
    return health, [health.endpoint(str(i)) for i in range(endpoints)], changes


def fail(endpoint: EndpointHealth, start: float, end: float | None = None, cause: Cause = Cause.ERROR) -> None:
    endpoint.started(start)
    endpoint.failed(start, start if end is None else end, cause)


def succeed(endpoint: EndpointHealth, start: float, end: float | None = None) -> None:
    endpoint.started(start)
    endpoint.succeeded(start, start if end is None else end)


def eject(endpoint: EndpointHealth, at: float, cause: Cause = Cause.ERROR) -> None:
    for i in range(3):
        fail(endpoint, at + i * 1e-3, at + 2e-3, cause)


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


# the bound


@pytest.mark.parametrize(("endpoints", "out"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3)])
def test_erring_endpoints_out_are_at_most_half_rounded_up(endpoints: int, out: int) -> None:
    _, all_endpoints, changes = backend(endpoints)
    for endpoint in all_endpoints:
        eject(endpoint, 1.0)
    assert sum(not endpoint.admits(1.1) for endpoint in all_endpoints) == out
    assert len(changes) == out


@pytest.mark.parametrize("cause", [Cause.CONNECT, Cause.CREDENTIAL])
def test_connect_errors_and_refused_credentials_know_no_bound(cause: Cause) -> None:
    _, endpoints, _ = backend(4)
    for endpoint in endpoints:
        eject(endpoint, 1.0, cause)
    assert not any(endpoint.admits(1.1) for endpoint in endpoints)


def test_an_endpoint_spared_by_the_bound_goes_when_another_is_back() -> None:
    _, (one, other), _ = backend(2)
    eject(one, 0.0)
    eject(other, 1.0)
    assert other.admits(2.0)
    succeed(one, 12.0)
    fail(other, 12.5)
    assert not other.admits(12.6)


def test_a_slow_endpoint_beyond_the_bound_is_passed_over_but_not_ejected() -> None:
    _, (one, other), changes = backend(2)
    for endpoint in (one, other):
        for start in (0.0, 0.1, 0.2):
            endpoint.started(start)
        for start in (0.0, 0.1, 0.2):
            endpoint.overdue(start, 10.2)
    assert one.ejected
    assert not other.ejected
    assert other.silent(10.3)
    assert not other.admits(10.3)
    assert all(other.may_probe(10.3) for _ in range(5)), "nothing else usable: it takes everything"
    assert len(changes) == 1
    succeed(other, 10.4, 10.5)
    assert other.admits(10.5)
    assert len(changes) == 1


def test_a_silent_endpoint_beyond_the_bound_that_answers_with_errors_is_back() -> None:
    _, (one, other), _ = backend(2)
    eject(one, 0.0)
    for start in (0.0, 0.1, 0.2):
        other.started(start)
    for start in (0.0, 0.1, 0.2):
        other.overdue(start, 9.0)
    assert not other.admits(9.1)
    fail(other, 19.5)
    assert other.admits(19.6)


def test_endpoints_that_are_gone_are_not_counted() -> None:
    health, (one, other), _ = backend(2)
    eject(one, 0.0)
    health.retain(["1"])
    eject(other, 1.0)
    assert not other.admits(1.1)
    assert health.endpoint("1") is other
    assert health.endpoint("0") is not one


# nothing usable


def test_an_ejected_endpoint_lets_one_request_a_second_through() -> None:
    _, (endpoint,), _ = backend()
    eject(endpoint, 0.0)
    assert endpoint.may_probe(0.1)
    assert endpoint.may_probe(0.1), "asking takes nothing"
    endpoint.started(0.1)
    assert not endpoint.may_probe(1.0)
    assert endpoint.may_probe(1.1)


def test_a_request_let_through_readmits_but_does_not_double() -> None:
    _, (endpoint,), _ = backend()
    eject(endpoint, 0.0)
    for second in range(1, 9):
        fail(endpoint, second)
    assert endpoint.admits(10.1)
    _, (endpoint,), _ = backend()
    eject(endpoint, 0.0)
    succeed(endpoint, 1.0)
    assert endpoint.admits(1.0)


# active checks


def test_active_checks_eject_at_their_threshold_and_alone_bring_back() -> None:
    changes: list[Change] = []
    health = BackendHealth(
        unhealthy_threshold=3, healthy_threshold=2, on_change=lambda k, e, c: changes.append((k, e, c))
    )
    endpoint = health.endpoint("a")
    for healthy in (False, False, True, False, False):
        endpoint.checked(healthy, 1.0)
    assert endpoint.admits(1.0)
    endpoint.checked(False, 2.0)
    assert not endpoint.admits(1000.0)
    succeed(endpoint, 3.0)
    assert not endpoint.admits(3.0)
    endpoint.checked(True, 4.0)
    assert not endpoint.admits(4.0)
    endpoint.checked(True, 5.0)
    assert endpoint.admits(5.0)
    assert changes == [("a", True, Cause.CHECK), ("a", False, Cause.CHECK)]


def test_active_checks_know_no_bound() -> None:
    _, endpoints, _ = backend(3)
    for endpoint in endpoints:
        for _ in range(3):
            endpoint.checked(False, 1.0)
    assert not any(endpoint.admits(1.0) for endpoint in endpoints)


def test_a_good_check_does_not_readmit_what_requests_ejected() -> None:
    """A draining engine answers /health with 200 and fails every new request."""
    _, (endpoint,), _ = backend()
    eject(endpoint, 0.0)
    for second in range(1, 10):
        endpoint.checked(True, second)
        assert not endpoint.admits(second)


def test_a_good_check_brings_the_probe_forward_after_connect_errors() -> None:
    _, (endpoint,), _ = backend()
    eject(endpoint, 0.0, Cause.CONNECT)
    endpoint.checked(False, 1.0)
    assert not endpoint.admits(1.0)
    endpoint.checked(True, 2.0)
    assert endpoint.admits(2.0)
    endpoint.started(2.0)
    assert not endpoint.admits(2.0)


def test_good_checks_leave_the_count_of_failures_alone() -> None:
    _, (endpoint,), _ = backend()
    for second in (1.0, 2.0, 3.0):
        fail(endpoint, second)
        endpoint.checked(True, second + 0.5)
    assert not endpoint.admits(4.0)


# patience


def test_patience_follows_the_endpoints_own_pace() -> None:
    _, (endpoint,), _ = backend()
    assert endpoint.patience(True) == 10.0
    assert endpoint.patience(False) == 30.0
    for _ in range(100):
        endpoint.observe_ttft(2000.0)
        endpoint.observe_duration(9000.0)
    assert 20.0 <= endpoint.patience(True) <= 24.0
    assert 90.0 <= endpoint.patience(False) <= 108.0


def test_three_overdue_requests_eject_where_nothing_came() -> None:
    _, (endpoint,), changes = backend()
    for start in (0.0, 0.1, 0.2):
        endpoint.started(start)
    for start in (0.0, 0.1):
        endpoint.overdue(start, 10.1)
    assert not endpoint.ejected
    endpoint.overdue(0.2, 10.2)
    assert endpoint.ejected
    assert changes == [("0", True, Cause.SLOW)]


def test_a_long_queue_is_no_hang() -> None:
    """An engine that takes 10 requests/s and answers 7: waits grow to 20 s, but answers keep coming."""
    _, (endpoint,), _ = backend()
    answered = 0
    for tick in range(670):
        now = tick * 0.1
        endpoint.started(now)
        while answered < 0.7 * tick - 1:
            endpoint.answered(answered * 0.1, now)
            answered += 1
        if now >= 10.0:
            endpoint.overdue(now - 10.0, now)
        assert endpoint.admits(now)
        assert not endpoint.ejected
    assert 67.0 - answered * 0.1 > 19.0


def test_a_request_that_is_overdue_and_then_fails_counts_once() -> None:
    _, (endpoint,), _ = backend()
    for start in (0.0, 0.1):
        endpoint.started(start)
        endpoint.overdue(start, start + 10.0)
        endpoint.failed(start, start + 60.0, Cause.SLOW)
    assert not endpoint.ejected
    endpoint.started(61.0)
    endpoint.failed(61.0, 62.0, Cause.ERROR)
    assert endpoint.ejected


def test_an_overdue_probe_doubles() -> None:
    _, (endpoint,), _ = backend()
    eject(endpoint, 0.0)
    endpoint.started(11.0)
    endpoint.overdue(11.0, 41.0)
    assert not endpoint.admits(60.9)
    assert endpoint.admits(61.0)
    endpoint.failed(11.0, 62.0, Cause.SLOW)
    assert endpoint.admits(62.0)


# silence


def test_an_endpoint_that_swallows_requests_is_passed_over_until_it_shows_life() -> None:
    _, (endpoint,), changes = backend()
    for start in (0.0, 1.0, 2.0):
        assert endpoint.admits(start)
        endpoint.started(start)
    assert endpoint.admits(7.9)
    assert not endpoint.admits(8.0)
    assert endpoint.silent(8.0)
    assert endpoint.may_probe(8.0)
    endpoint.alive(9.0)
    assert endpoint.admits(9.0)
    assert changes == []


def test_two_long_requests_are_no_silence() -> None:
    _, (endpoint,), _ = backend()
    endpoint.started(0.0)
    endpoint.started(0.1)
    assert endpoint.admits(500.0)


def test_clients_that_left_are_no_silence() -> None:
    _, (endpoint,), _ = backend()
    for i in range(10):
        endpoint.started(i * 0.1)
    for i in range(8):
        endpoint.abandoned(i * 0.1, 5.0)
    assert endpoint.admits(60.0)


def test_an_engine_that_answers_in_rare_bursts_teaches_its_own_measure() -> None:
    _, (endpoint,), _ = backend()
    refused = []
    for burst in range(40):
        begin = burst * 7.0
        for i in range(70):
            now = begin + i * 0.1
            endpoint.started(now)
            if not endpoint.admits(now):
                refused.append(now)
        for i in range(70):
            endpoint.succeeded(begin + i * 0.1, begin + 7.0)
    assert not refused
    assert endpoint.admits(280.0 + 10.0)
    for i in range(3):
        endpoint.started(290.0 + i)
    assert endpoint.admits(290.0 + 11.9), "it is known for 7 s: 12 s or more are tolerated"


def test_what_it_learned_fades() -> None:
    _, (endpoint,), _ = backend()
    for i in range(3):
        endpoint.started(float(i))
    endpoint.succeeded(0.0, 7.0)
    for second in range(10, 400):
        succeed(endpoint, second, second + 0.1)
    for i in range(3):
        endpoint.started(400.0 + i)
    assert not endpoint.admits(408.0)


# properties

ACTIONS = ["start", "succeed", "fail", "abandon", "overdue", "answer", "alive", "check", "wait"]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 2), st.randoms(use_true_random=False)), max_size=120)
)
def test_whatever_happens_the_invariants_hold(steps: list[tuple[str, int, random.Random]]) -> None:
    health, endpoints, changes = backend(3)
    flying: list[list[float]] = [[], [], []]
    now = 0.0
    for action, which, chance in steps:
        endpoint, mine = endpoints[which], flying[which]
        now += 0.001
        if action == "wait":
            now += chance.choice([0.5, 5.0, 12.0, 100.0])
        elif action == "start":
            if endpoint.admits(now) or endpoint.may_probe(now):
                endpoint.started(now)
                mine.append(now)
        elif action == "check":
            endpoint.checked(chance.random() < 0.5, now)
        elif action == "alive":
            endpoint.alive(now)
        elif mine:
            started_at = chance.choice(mine)
            if action == "answer":
                endpoint.answered(started_at, now)
            elif action == "overdue":
                endpoint.overdue(started_at, now)
            else:
                mine.remove(started_at)
                if action == "succeed":
                    endpoint.succeeded(started_at, now)
                elif action == "fail":
                    endpoint.failed(started_at, now, chance.choice([Cause.CONNECT, Cause.ERROR, Cause.SLOW]))
                else:
                    endpoint.abandoned(started_at, now)
        for one in endpoints:
            assert not (one.ejected and one.silent(now))
            assert one.admits(now) or one.ejected or one.silent(now)
        assert sum(one.out_by_results for one in endpoints) <= 2
        for key in "012":
            flips = [ejected for changed, ejected, _ in changes if changed == key]
            assert flips == [i % 2 == 0 for i in range(len(flips))]
            assert health.endpoint(key).ejected == (len(flips) % 2 == 1)
