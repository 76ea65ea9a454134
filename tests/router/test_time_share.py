"""A bound on what may be spent on something that others decide the amount of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalbox.router.time_share import TimeShare


def test_a_share_of_the_time_that_goes_by_may_be_spent() -> None:
    share = TimeShare(0.25, 0.05, 100.0)
    share.left = 0.0
    share.earn(100.1)
    assert share.left == pytest.approx(0.025)
    share.earn(100.1)
    assert share.left == pytest.approx(0.025)


def test_no_more_than_some_is_saved() -> None:
    share = TimeShare(0.25, 0.05, 100.0)
    assert share.left == 0.05
    share.earn(200.0)
    assert share.left == 0.05


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.01)), max_size=50))
def test_what_is_spent_is_bounded_whatever_is_asked_for(steps: list[tuple[float, float]]) -> None:
    """Each step: seconds that go by, and what the thing that is begun then costs."""
    share, now, spent = TimeShare(0.1, 0.05, 0.0), 0.0, 0.0
    for wait, cost in steps:
        now += wait
        share.earn(now)
        if share.left > 0.0:
            share.left -= cost
            spent += cost
    assert spent <= 0.05 + 0.1 * now + 0.01 + 1e-9
