"""Declared shares: what holds whatever the loads say."""

import math

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from signalbox.feedback.shares import LEAST_PART, OVERLOADED, Declared, Parts, declared, keep, kept_of, weights

MOST = 8
LOADS = st.none() | st.floats(0.0, 2.0)
ONE = st.builds(
    Declared,
    name=st.just(""),
    share=st.integers(0, 1_000_000).map(float),
    usable=st.booleans(),
    utilization=LOADS,
    held=st.booleans(),
)
SETS = st.lists(ONE, min_size=1, max_size=MOST).map(
    lambda found: [replace(each, name=f"t{number}") for number, each in enumerate(found)]
)
STORIES = st.lists(st.lists(LOADS, min_size=MOST, max_size=MOST), min_size=1, max_size=10)


@given(SETS, STORIES)
def test_weights_sum_to_one_and_nobody_loses_more_than_nine_tenths(
    targets: list[Declared], story: list[list[float | None]]
) -> None:
    parts = Parts()
    for loads in story:
        now = [replace(each, utilization=load) for each, load in zip(targets, loads, strict=False)]
        before, parts = parts, keep(now, parts)
        found = weights(now, parts.kept)
        there = any(each.usable and each.share for each in now)
        assert math.isclose(sum(found.values()), 1.0) if there else not any(found.values())
        assert all(not found[each.name] for each in now if not each.usable)
        assert all(LEAST_PART <= part <= 1.0 for part in parts.kept.values())
        assert keep(now[::-1], before) == parts  # order means nothing


@given(SETS, st.integers(1, 5))
def test_while_nobody_is_overloaded_shares_are_as_declared(targets: list[Declared], periods: int) -> None:
    calm = [replace(each, usable=True, utilization=min(each.utilization or 0.0, OVERLOADED - 0.01)) for each in targets]
    parts = Parts()
    for _ in range(periods):
        parts = keep(calm, parts)
    assert weights(calm, parts.kept) == declared(calm)


@given(SETS, STORIES)
def test_what_was_kept_is_seen_in_the_weights(targets: list[Declared], story: list[list[float | None]]) -> None:
    parts = Parts()
    for loads in story:
        targets = [replace(each, utilization=load) for each, load in zip(targets, loads, strict=False)]
        parts = keep(targets, parts)
    found = kept_of(weights(targets, parts.kept), declared(targets))
    for name, part in found.kept.items():
        assert math.isclose(part, parts.kept[name], rel_tol=1e-6)
        assert (name in found.overloaded) == (part < 0.99)


def test_a_part_moves_by_no_more_than_half_in_a_period() -> None:
    full, idle = Declared(name="a", share=9.0, utilization=2.0), Declared(name="b", share=1.0, utilization=0.0)
    parts = keep([full, idle], Parts())
    assert parts.kept == {"a": 0.5, "b": 1.0}
    assert keep([replace(full, utilization=0.0), idle], parts).kept["a"] == 0.75
