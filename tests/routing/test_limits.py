"""Limits of a backend: never exceeded in any minute, and never a wait that is not needed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signalbox.routing.config import Limits
from signalbox.routing.limits import Allowance, BackendLimits, added, larger, parts


def test_without_limits_nothing_waits() -> None:
    limits = BackendLimits(Limits())
    for _ in range(1000):
        assert limits.wait(0.0, 10**9) == 0.0
        limits.acquire(0.0, 10**9)
    assert limits.in_flight == 1000


def test_requests_in_flight() -> None:
    limits = BackendLimits(Limits(max_in_flight=2))
    for _ in range(2):
        assert limits.wait(0.0, 1) == 0.0
        limits.acquire(0.0, 1)
    assert limits.wait(0.0, 1) == 1.0
    limits.release(5.0)
    assert limits.wait(5.0, 1) == 0.0


@pytest.mark.parametrize(("limit", "shares", "part"), [(256, 4, 64), (10, 4, 2), (3, 8, 1), (5, 1, 5)])
def test_a_worker_has_its_part_and_at_least_one(limit: int, shares: int, part: int) -> None:
    limits = BackendLimits(Limits(max_in_flight=limit), shares)
    taken = 0
    while limits.wait(0.0, 1) == 0.0:
        limits.acquire(0.0, 1)
        taken += 1
    assert taken == part


def test_the_wait_for_requests_is_the_true_one() -> None:
    limits = BackendLimits(Limits(requests_per_minute=2))
    limits.acquire(10.5, 1)
    limits.acquire(20.5, 1)
    assert limits.wait(30.0, 1) == 41.0
    assert limits.wait(70.9, 1) > 0.0
    assert limits.wait(71.0, 1) == 0.0


def test_a_request_larger_than_the_whole_limit_goes_alone() -> None:
    limits = BackendLimits(Limits(tokens_per_minute=100))
    assert limits.wait(0.0, 5000) == 0.0
    limits.acquire(0.0, 5000)
    assert limits.wait(1.0, 1) == 60.0
    assert limits.wait(61.0, 5000) == 0.0


def test_settling_gives_back_what_was_not_used_and_charges_what_was() -> None:
    limits = BackendLimits(Limits(tokens_per_minute=100))
    limits.acquire(0.0, 90)
    assert limits.wait(1.0, 50) > 0.0
    limits.settle(1.0, 90, 10, acquired_at=0.0)
    assert limits.wait(1.0, 90) == 0.0
    limits.acquire(1.0, 50)
    limits.settle(2.0, 50, 100, acquired_at=1.0)
    assert limits.wait(2.0, 1) == pytest.approx(60.0)


def test_settling_a_booking_that_has_left_the_window_gives_nothing_back() -> None:
    limits = BackendLimits(Limits(tokens_per_minute=100))
    limits.acquire(0.0, 90)
    limits.acquire(100.0, 90)
    limits.settle(100.0, 90, 1, acquired_at=0.0)
    assert limits.wait(100.0, 20) > 0.0


def test_a_cool_down_holds_back_everything_and_is_never_shortened() -> None:
    limits = BackendLimits(Limits())
    limits.cool_down(10.0, 20.0)
    limits.cool_down(11.0, None)
    assert limits.wait(12.0, 1) == 18.0
    assert limits.wait(30.0, 1) == 0.0
    limits.cool_down(30.0, 1e9)
    assert limits.wait(30.0, 1) == 300.0


def test_a_reload_keeps_what_is_in_flight_and_what_was_spent() -> None:
    old = BackendLimits(Limits(max_in_flight=5, requests_per_minute=10))
    for _ in range(4):
        old.acquire(0.0, 1)
    old.cool_down(0.0, 3.0)
    new = BackendLimits(Limits(max_in_flight=4, requests_per_minute=5))
    new.carry_over(old)
    assert new.in_flight == 4
    assert new.wait(1.0, 1) == 2.0
    old.release(5.0)
    assert new.in_flight == 3
    assert new.wait(5.0, 1) == 0.0
    new.acquire(5.0, 1)
    new.release(6.0)
    assert new.wait(6.0, 1) == 55.0


@settings(max_examples=60, deadline=None)
def after(spent: list[tuple[float, int, int]], requests: int, tokens: int) -> BackendLimits:
    """Limits of which so much was taken: time, tokens estimated, and used."""
    limits = BackendLimits(Limits(requests_per_minute=requests, tokens_per_minute=tokens))
    for now, estimated, used in spent:
        limits.acquire(now, estimated)
        limits.settle(now, estimated, used, acquired_at=now)
    return limits


@given(
    st.integers(1, 20),
    st.integers(10, 500),
    st.lists(st.tuples(st.floats(0, 20), st.integers(1, 60), st.integers(1, 60)), max_size=150),
)
def test_no_sixty_seconds_ever_exceed_the_limits(
    requests: int, tokens: int, arrivals: list[tuple[float, int, int]]
) -> None:
    limits = after([], requests, tokens)
    now, spent, admitted = 0.0, list[tuple[float, int, int]](), list[tuple[float, int]]()
    for wait, estimated, actual in arrivals:
        now += wait
        pause = limits.wait(now, estimated)
        if pause:
            assert after(spent, requests, tokens).wait(now + pause, estimated) == 0.0
            continue
        limits.acquire(now, estimated)
        used = min(estimated, actual)
        limits.settle(now, estimated, used, acquired_at=now)
        spent.append((now, estimated, used))
        admitted.append((now, used))
        recent = [each for at, each in admitted if at > now - 60.0]
        assert len(recent) <= requests
        assert sum(recent) <= tokens or len(recent) == 1


def test_a_lease_changes_the_part_and_forgets_nothing() -> None:
    limits = BackendLimits(Limits(requests_per_minute=20), 2)
    for _ in range(8):
        assert limits.wait(0.5, 1) == 0.0
        limits.acquire(0.5, 1)
    limits.lease(Limits(requests_per_minute=5))
    spent = Limits(max_in_flight=8, requests_per_minute=8, tokens_per_minute=0)
    assert limits.allowance(1.0) == Allowance(Limits(requests_per_minute=5), Limits(requests_per_minute=8), spent)
    assert limits.wait(1.0, 1) == 60.0
    limits.lease(Limits(requests_per_minute=9))
    assert limits.wait(1.0, 1) == 0.0
    assert limits.allowance(61.0)[:2] == (Limits(requests_per_minute=9), Limits(requests_per_minute=9))


def test_a_lease_outlives_a_reload_and_never_exceeds_the_limit() -> None:
    old = BackendLimits(Limits(max_in_flight=10, requests_per_minute=100), 4)
    old.lease(Limits(max_in_flight=8, requests_per_minute=60))
    new = BackendLimits(Limits(max_in_flight=4, requests_per_minute=100, tokens_per_minute=400), 4)
    new.carry_over(old)
    assert new.allowance(0.0).lease == Limits(max_in_flight=4, requests_per_minute=60, tokens_per_minute=100)


@pytest.mark.parametrize(
    "nothing", [Limits(max_in_flight=0), Limits(requests_per_minute=0), Limits(tokens_per_minute=0)]
)
def test_who_is_leased_nothing_waits(nothing: Limits) -> None:
    limits = BackendLimits(Limits(max_in_flight=5, requests_per_minute=5, tokens_per_minute=5))
    limits.lease(nothing)
    assert limits.wait(0.0, 1) == 1.0
    limits.lease(None)
    assert limits.wait(0.0, 1) == 0.0


AMOUNTS = st.none() | st.integers(0, 1000)
LIMITS = st.builds(Limits, max_in_flight=AMOUNTS, requests_per_minute=AMOUNTS, tokens_per_minute=AMOUNTS)


@given(LIMITS, st.integers(1, 9))
def test_the_parts_of_workers_are_the_whole(lease: Limits, count: int) -> None:
    divided = parts(lease, count)
    assert len(divided) == count
    total = divided[0]
    for part in divided[1:]:
        total = added(total, part)
    assert total == lease
    assert all(larger(divided[0], part) == divided[0] for part in divided)


def test_what_one_does_not_know_is_not_known_of_both() -> None:
    known, unknown = Limits(max_in_flight=3, requests_per_minute=4), Limits(max_in_flight=2)
    assert added(known, unknown) == Limits(max_in_flight=5)
    assert larger(known, unknown) == known
    assert larger(unknown, known) == Limits(max_in_flight=3)


def test_who_awaits_a_lease_takes_a_tenth_and_at_least_one() -> None:
    limits = BackendLimits(Limits(max_in_flight=9, requests_per_minute=600), 2)
    limits.await_lease()
    assert limits.allowance(0.0).lease == Limits(max_in_flight=1, requests_per_minute=30)
    limits.lease(None)
    assert limits.allowance(0.0).lease == Limits(max_in_flight=4, requests_per_minute=300)


def test_what_was_spent_before_is_in_the_minute() -> None:
    limits = BackendLimits(Limits(requests_per_minute=5, tokens_per_minute=100))
    limits.inherit(10.0, Limits(max_in_flight=3, requests_per_minute=5, tokens_per_minute=40))
    assert limits.wait(11.0, 1) == 60.0
    assert limits.allowance(11.0).spent == Limits(max_in_flight=0, requests_per_minute=5, tokens_per_minute=40)
    assert limits.wait(71.0, 100) == 0.0


def test_each_of_what_was_spent_before_leaves_the_minute_at_its_own_time() -> None:
    limits = BackendLimits(Limits(requests_per_minute=5))
    limits.inherit(-50.0, Limits(requests_per_minute=3))
    limits.inherit(-20.0, Limits(requests_per_minute=2))
    assert limits.wait(0.0, 1) == 11.0
    limits.acquire(11.0, 1)
    assert limits.allowance(11.0).spent.requests_per_minute == 3
    assert limits.allowance(41.0).spent.requests_per_minute == 1
