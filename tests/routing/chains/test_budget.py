"""Budgets: what is under way counts, and nothing goes beyond."""

from hypothesis import given
from hypothesis import strategies as st

from signalbox.routing.chains.budget import Budget


@given(
    st.integers(1, 5),
    st.integers(0, 100),
    st.lists(st.tuples(st.integers(0, 60), st.floats(0, 1), st.booleans()), max_size=12),
)
def test_what_is_spent_stays_within_the_limits(calls: int, cost: int, wanted: list[tuple[int, float, bool]]) -> None:
    budget = Budget(calls, cost)
    begun, spent, open_ = 0, 0, []
    for expected, part, ends in wanted:
        if not budget.short_of(expected):
            budget.begin(expected)
            begun += 1
            open_.append((expected, round(expected * part)))
        if ends and open_:
            reserved, actual = open_.pop()
            budget.end(reserved, actual)
            spent += actual
    assert begun <= calls
    assert spent + sum(expected for expected, _ in open_) <= cost


def test_which_limit_is_short() -> None:
    budget = Budget(2, 100)
    budget.begin(60)
    assert (budget.short_of(40), budget.short_of(41)) == ("", "maxCost")
    budget.end(60, 10)
    assert budget.short_of(90) == ""
    budget.begin(0)
    assert budget.short_of(0) == "maxCalls"
    assert Budget(1, None).short_of(10**18) == ""
