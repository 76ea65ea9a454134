"""Strategies over bitmasks of targets."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalbox.routing.config import BestOf, Cascade, Consensus, Failover, Sampled, Share, Step, Tier, Voter, Weighted
from signalbox.routing.strategies import CascadeChoice, Choice, compile_strategy

POSITIONS = {"a": 0, "b": 1, "c": 2, "d": 3}


def weighted(**shares: int) -> Choice:
    targets = tuple(Share(target=t, weight=w) for t, w in shares.items())
    return compile_strategy(Weighted(targets=targets), POSITIONS, random.Random(1))


def failover(*tiers: dict[str, int]) -> Choice:
    shares = (Tier(targets=tuple(Share(target=t, weight=w) for t, w in tier.items())) for tier in tiers)
    return compile_strategy(Failover(tiers=tuple(shares)), POSITIONS, random.Random(1))


def test_weighted_draws_by_share_over_the_positions_of_the_policy() -> None:
    choice = weighted(d=9, b=1)
    assert choice.mask == 0b1010
    counts = Counter(choice.first(0b1111) for _ in range(10_000))
    assert counts[3] == pytest.approx(9000, abs=20)
    assert counts[1] == pytest.approx(1000, abs=20)


def test_a_target_of_weight_zero_is_not_used_even_as_the_last() -> None:
    choice = weighted(a=1, b=0)
    assert choice.mask == 0b0001
    assert choice.next(0b0010) == -1


def test_an_unknown_target_is_an_error() -> None:
    with pytest.raises(KeyError, match="x"):
        weighted(x=1)


def test_failover_takes_the_first_tier_with_a_usable_target() -> None:
    choice = failover({"c": 1}, {"a": 1, "b": 3}, {"d": 1})
    assert choice.mask == 0b1111
    assert {choice.first(0b1111) for _ in range(50)} == {2}
    counts = Counter(choice.first(0b1011) for _ in range(10_000))
    assert counts[1] == pytest.approx(7500, abs=20)
    assert counts[0] == pytest.approx(2500, abs=20)
    assert choice.first(0b1000) == 3
    assert choice.first(0) == -1


def test_a_retry_stays_in_the_tier_while_it_has_another_target() -> None:
    choice = failover({"a": 1, "b": 1}, {"c": 1})
    first = choice.first(0b0111)
    second = choice.next(0b0111 & ~(1 << first))
    assert {first, second} == {0, 1}
    assert choice.next(0b0100) == 2
    assert choice.next(0) == -1


@given(st.integers(0, 15), st.randoms(use_true_random=False))
def test_only_usable_targets_are_ever_chosen_each_at_most_once(usable: int, chance: random.Random) -> None:
    for choice in (weighted(a=1, b=5, d=2), failover({"b": 1}, {"a": 2, "c": 3})):
        left, position = usable, choice.first(usable)
        while position >= 0:
            assert left & choice.mask & 1 << position
            left &= ~(1 << position)
            position = choice.next(left)
        assert not left & choice.mask


def cascade(*steps: dict[str, int]) -> CascadeChoice:
    sets = tuple(Step(targets=tuple(Share(target=t, weight=w) for t, w in step.items())) for step in steps)
    choice = compile_strategy(Cascade(steps=sets), POSITIONS, random.Random(1))
    assert isinstance(choice, CascadeChoice)
    return choice


def test_the_steps_of_a_cascade_are_drawn_each_for_itself() -> None:
    choice = cascade({"a": 1, "b": 3}, {"c": 1})
    assert choice.mask == 0b0111
    assert [step.mask for step in choice.steps] == [0b0011, 0b0100]
    counts = Counter(choice.steps[0].first(0b1111) for _ in range(1000))
    assert (counts[0], counts[1]) == (pytest.approx(250, abs=5), pytest.approx(750, abs=5))
    assert choice.first(0b1100) == choice.next(0b1100) == 2
    assert choice.first(0b1000) == -1


def test_weights_of_a_cascade_go_by_step() -> None:
    choice = cascade({"a": 1, "b": 3}, {"c": 1, "d": 1})
    choice.steer([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.2, 0.8]], 0.0, None)
    counts = Counter(choice.steps[1].first(0b1100) for _ in range(1000))
    assert counts[3] == pytest.approx(800, abs=5)
    assert choice.by_load
    choice.steer([[1.0, 0.0, 0.0, 0.0]], 0.0, None)  # of another configuration
    assert not choice.by_load


def test_who_stands_in_for_a_chain() -> None:
    best = compile_strategy(
        BestOf(targets=(Sampled(target="b", samples=3), Sampled(target="a"))), POSITIONS, random.Random(1)
    )
    assert (best.mask, best.first(0b1111)) == (0b0011, 1)
    agree = compile_strategy(
        Consensus(targets=(Voter(target="a"), Voter(target="b")), escalate_to="d"), POSITIONS, random.Random(1)
    )
    assert (agree.mask, agree.first(0b1111), agree.first(0b0011)) == (0b1011, 3, 0)
