"""What the supervisor makes of leases."""

from signalbox.control.messages import Applied, Lease, Leases
from signalbox.router.process.leased import Leased
from signalbox.routing.config import Limits
from signalbox.routing.limits import Allowance


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


def test_what_was_spent_is_kept_for_the_next_worker_until_that_has_said_something_itself() -> None:
    leased = Leased(2)
    assert leased.spent(0) == {}
    leased.ended(0, {"a": requests(5, 3)})
    leased.ended(0, {})  # it died at once
    assert leased.spent(0) == {"a": Limits(requests_per_minute=3)}
    assert leased.spent(1) == {}
    leased.ended(0, {"a": requests(5, 4)})
    assert leased.spent(0) == {"a": Limits(requests_per_minute=4)}
