"""How many endpoints may be out at once, what is let through when nothing is usable, and the invariants of it all."""

import random

import pytest
from health_steps import Change, backend, eject, fail, succeed
from hypothesis import given, settings
from hypothesis import strategies as st

from signalbox.routing.ejection import BackendHealth, Cause

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
