"""The retry budget."""

from hypothesis import given
from hypothesis import strategies as st

from signalbox.routing.retries import RetryBudget


def drain(budget: RetryBudget, now: float) -> int:
    taken = 0
    while budget.withdraw(now):
        taken += 1
    return taken


def test_it_starts_full_and_runs_out() -> None:
    assert drain(RetryBudget(), 5.0) == 1000


def test_requests_and_time_fill_it_up_to_the_ceiling() -> None:
    budget = RetryBudget(per_request=0.25)
    drain(budget, 0.0)
    for _ in range(80):
        budget.deposit()
    assert drain(budget, 0.0) == 20
    assert drain(budget, 3.0) == 30
    for _ in range(10_000):
        budget.deposit()
    assert drain(budget, 1000.0) == 1000


def test_time_before_the_first_retry_is_not_earned_twice() -> None:
    budget = RetryBudget(ceiling=5)
    assert drain(budget, 1e6) == 5
    assert drain(budget, 1e6) == 0


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50), st.floats(0, 2)), max_size=60))
def test_retries_never_exceed_the_share(steps: list[tuple[int, int, float]]) -> None:
    budget = RetryBudget(ceiling=100)
    now, requests, retries = 0.0, 0, 0
    for made, wanted, wait in steps:
        now += wait
        for _ in range(made):
            budget.deposit()
        requests += made
        retries += sum(budget.withdraw(now) for _ in range(wanted))
        assert retries <= 100 + 0.2 * requests + 10 * now + 1e-6
