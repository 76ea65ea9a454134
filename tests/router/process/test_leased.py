"""What the supervisor makes of leases."""

import pytest

from signalbox.control.messages import Applied, Lease, Leases
from signalbox.router.process.leased import Leased
from signalbox.routing.config import Limits
from signalbox.routing.limits import Allowance, BackendLimits


def requests(lease: int, spent: int) -> Allowance:
    return Allowance(*(Limits(requests_per_minute=amount) for amount in (lease, max(lease, spent), spent)))


def applied(lease: int, most: int, spent: int) -> Applied:
    lease_, most_, spent_ = (Lease(requests_per_minute=amount) for amount in (lease, most, spent))
    return Applied(lease=lease_, most=most_, spent=spent_)


def test_each_worker_has_an_equal_part_and_nothing_is_lost() -> None:
    leased = Leased(3)
    assert leased.part(0) == {}
    leased.hear(Leases(backends={"a": Lease(requests_per_minute=5, in_flight=9)}))
    leased.hear(Leases(backends={"b": Lease(tokens_per_minute=2)}))
    assert [leased.part(number) for number in range(3)] == [
        {"a": Limits(requests_per_minute=2, max_in_flight=3), "b": Limits(tokens_per_minute=1)},
        {"a": Limits(requests_per_minute=2, max_in_flight=3), "b": Limits(tokens_per_minute=1)},
        {"a": Limits(requests_per_minute=1, max_in_flight=3), "b": Limits(tokens_per_minute=0)},
    ]


def test_what_a_worker_was_told_counts_before_it_says_so() -> None:
    leased = Leased(2)
    workers = [(0, {"a": requests(5, 1)}), (1, {"a": requests(5, 7)})]
    assert leased.applied(workers) == {"a": applied(10, 12, 8)}
    leased.hear(Leases(backends={"a": Lease(requests_per_minute=16)}))
    assert leased.applied(workers) == {"a": applied(10, 16, 8)}
    workers = [(0, {"a": requests(8, 1)}), (1, {"a": requests(5, 7)})]
    assert leased.applied(workers) == {"a": applied(13, 16, 8)}
    leased.hear(Leases(backends={"a": Lease(requests_per_minute=4)}))
    assert leased.applied(workers) == {"a": applied(13, 15, 8)}


def test_a_worker_that_has_not_read_of_a_limit_hides_it() -> None:
    nothing = Allowance(Limits(), Limits(), Limits())
    workers = [(0, {"a": requests(5, 2)}), (1, {"a": nothing})]
    assert Leased(2).applied(workers) == {"a": Applied(lease=Lease(), most=Lease())}


def test_what_was_spent_is_kept_for_the_next_worker_until_it_is_a_minute_old() -> None:
    leased = Leased(2)
    assert leased.spent(0) == []
    leased.ended(0, {"a": requests(5, 3)}, 10.0)
    leased.ended(0, {}, 0.0)  # it died at once
    leased.ended(0, {"a": requests(5, 4)}, 40.0)  # three of these it had inherited
    three, one = (Limits(requests_per_minute=amount) for amount in (3, 1))
    assert leased.spent(0) == [(10.0, {"a": three}), (40.0, {"a": one})]
    assert leased.spent(1) == []
    leased.ended(0, {"a": requests(5, 1)}, 71.0)
    assert leased.spent(0) == [(40.0, {"a": one}), (71.0, {"a": Limits(requests_per_minute=0)})]


@pytest.mark.parametrize("life", [1, 7, 40, 59, 60, 61, 62, 90])
def test_a_worker_that_keeps_dying_goes_on_serving_and_exceeds_nothing(life: int) -> None:
    leased, limit, served = Leased(1), 60, list[int]()
    limits = BackendLimits(Limits(requests_per_minute=limit))
    for now in range(400):
        if now and now % life == 0:
            leased.ended(0, {"a": limits.allowance(now - 0.1)}, now - 0.1)
            limits = BackendLimits(Limits(requests_per_minute=limit))
            for at, spent in leased.spent(0):
                limits.inherit(at, spent["a"])
        while not limits.wait(float(now), 1):
            limits.acquire(float(now), 1)
            served.append(now)
    assert all(sum(now - 60 < at <= now for at in served) <= limit for now in range(400))
    assert len(served) >= 4 * limit
