"""Two draws by weight, of which the one with less to do wins; and shares that are taken from, point by point."""

import random
from collections import Counter

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from signalbox.routing.backlog import Backlog
from signalbox.routing.config import Failover, Share, Spill, Tier, Weighted
from signalbox.routing.shares import TRIAL, Draws
from signalbox.routing.strategies import Choice, compile_strategy

NAMES = "abcdef"
ALL = (1 << len(NAMES)) - 1
POSITIONS = {name: position for position, name in enumerate(NAMES)}
N = 10_000


def backlogs(*in_system: float) -> list[Backlog]:
    found = [Backlog(0.0) for _ in NAMES]
    for backlog, n in zip(found, in_system, strict=False):
        backlog.sample(n, None, 0.0, 1.0)
    return found


def free(names: str = NAMES, seed: int = 1) -> Choice:
    shares = tuple(Share(target=name) for name in names)
    return compile_strategy(Weighted(targets=shares, free=True), POSITIONS, random.Random(seed))


def declared(*weights: int, seed: int = 1) -> Choice:
    shares = tuple(Share(target=name, weight=w) for name, w in zip(NAMES, weights, strict=False))
    return compile_strategy(Weighted(targets=shares), POSITIONS, random.Random(seed))


def drawn(choice: Choice, usable: int = ALL, count: int = N) -> Counter[int]:
    return Counter(choice.first(usable) for _ in range(count))


# free sets


def test_before_weights_are_heard_shares_are_equal() -> None:
    choice = free("abc")
    assert not choice.by_load
    assert all(count == pytest.approx(N / 3, abs=20) for count in drawn(choice).values())


def test_the_one_with_less_to_do_for_its_weight_wins() -> None:
    choice = free("ab")
    choice.steer([[0.5, 0.5, 0, 0, 0, 0]], 0.0, backlogs(10.0, 0.0))
    assert choice.by_load
    assert drawn(choice)[1] == N
    # Ten are not more than none where the weight is eleven times as large: (10 + 1) / 11 = (0 + 1) / 1.
    choice.steer([[11 / 12, 1 / 12, 0, 0, 0, 0]], 0.0, backlogs(9.0, 0.0))
    assert drawn(choice)[0] > 0.95 * N


def test_where_all_have_alike_to_do_weights_are_shares() -> None:
    choice = free("abc")
    weights = [0.5, 0.3, 0.2, 0.0, 0.0, 0.0]
    choice.steer([weights], 0.0, backlogs(49.0, 29.0, 19.0))
    for position, weight in enumerate(weights[:3]):
        # Who is drawn first keeps a tie: the shares are those of one draw.
        assert drawn(choice)[position] == pytest.approx(weight * N, rel=0.1)


def test_it_balances_between_two_samples_by_what_it_has_sent_itself() -> None:
    choice, there = free("abcd"), backlogs(0.0, 0.0, 0.0, 0.0)
    weights = [0.4, 0.3, 0.2, 0.1, 0.0, 0.0]
    choice.steer([weights], 0.0, there)
    for _ in range(1000):
        there[choice.first(ALL)].began(2.0)
    for position in range(4):
        assert there[position].in_flight == pytest.approx(1000 * weights[position], rel=0.2)


def test_two_different_targets_are_compared_each_drawn_by_its_weight() -> None:
    choice, weights = free("abc"), [0.5, 0.3, 0.2, 0.0, 0.0, 0.0]
    choice.steer([weights], 0.0, backlogs(0.0, 50.0, 1000.0))  # the first of any two wins
    counts = drawn(choice)
    # Not in the pair: first one of the others, then the other of what is left.
    without_a = 0.3 * 0.2 / 0.7 + 0.2 * 0.3 / 0.8
    assert counts[0] / N == pytest.approx(1.0 - without_a, abs=0.02)
    assert counts[1] / N == pytest.approx(without_a, abs=0.02)
    assert counts[2] == 0


def test_without_backlogs_weights_are_shares_held_exactly() -> None:
    choice = free("abc")
    choice.steer([[0.6, 0.3, 0.1, 0.0, 0.0, 0.0]], 0.0, backlogs(50.0))
    choice.steer([[0.6, 0.3, 0.1, 0.0, 0.0, 0.0]], 0.0, None)
    assert not choice.by_load
    counts = drawn(choice)
    assert [counts[p] for p in range(3)] == pytest.approx([6000, 3000, 1000], abs=20)
    choice.steer([None], 0.0, None)
    assert drawn(choice)[0] == pytest.approx(N / 3, abs=20)


unlike = st.lists(st.floats(0.01, 1.0), min_size=len(NAMES), max_size=len(NAMES))


@settings(max_examples=25, deadline=None)
@given(unlike, st.lists(st.integers(0, 30), min_size=6, max_size=6), st.permutations(range(6)), st.integers(0, 99))
def test_the_order_of_targets_changes_nothing(
    weights: list[float], there: list[int], order: list[int], seed: int
) -> None:
    straight, mixed = free(seed=seed), free(seed=seed + 1)
    straight.steer([weights], 0.0, backlogs(*map(float, there)))
    mixed.steer([[weights[i] for i in order]], 0.0, backlogs(*(float(there[i]) for i in order)))
    one, other = drawn(straight, count=4000), drawn(mixed, count=4000)
    for place, position in enumerate(order):
        assert abs(one[position] - other[place]) <= 250  # six standard deviations of the difference at most


@given(
    st.lists(st.sampled_from([0.0, 0.1, 0.5]), min_size=6, max_size=6),
    st.integers(0, ALL),
    st.booleans(),
    st.booleans(),
    st.integers(0, 99),
)
def test_only_usable_targets_are_drawn_and_one_of_them_always(
    weights: list[float], usable: int, by_load: bool, is_free: bool, seed: int
) -> None:
    choice = free(seed=seed) if is_free else declared(*[1] * 6, seed=seed)
    choice.steer([weights], 0.0, backlogs() if by_load else None)
    left, position = usable, choice.first(usable)
    while position >= 0:
        assert left >> position & 1
        left &= ~(1 << position)
        position = choice.next(left)
    assert not left


@settings(deadline=None)
@given(st.booleans(), st.integers(0, 99))
def test_one_without_weight_gets_a_trial_if_it_is_usable_and_all_where_nobody_else_is(is_free: bool, seed: int) -> None:
    """Nobody could use it when weights were made: it is ejected, and only a request can show that it is well again."""
    choice = free(seed=seed) if is_free else declared(*[1] * 6, seed=seed)
    choice.steer([[0.5, 0.5, 0.0, 0.0, 0.0, 0.0]], 0.0, backlogs())
    assert set(drawn(choice, 0b000011, 500)) == {0, 1}
    assert 0 < drawn(choice, 0b000111, 4000)[2] <= 4000 * TRIAL * 2
    assert choice.next(0b000111) in {0, 1}
    assert set(drawn(choice, 0b001000, 50)) == {3}
    assert choice.next(0b001000) == 3
    assert choice.first(0) == choice.next(0) == -1


@pytest.mark.parametrize("is_free", [True, False])
def test_one_that_has_come_back_is_tried_at_once_whenever_weights_come(is_free: bool) -> None:
    """Where requests are few, one in twenty would be long in coming."""
    choice = free() if is_free else declared(*[1] * 6)
    for _ in range(2):
        choice.steer([[0.5, 0.5, 0.0, 0.0, 0.0, 0.0]], 0.0, backlogs())
        assert choice.first(0b000011) in {0, 1}  # neither can be tried yet
        assert {choice.first(0b001111), choice.first(0b001111)} == {2, 3}
        assert sum(choice.first(0b001111) in {2, 3} for _ in range(100)) < 30


def test_a_tier_that_has_come_back_is_tried_at_once() -> None:
    choice = tiers("ab", "c")
    choice.steer([[1.0, 0, 0, 0, 0, 0], [0, 0, 1.0, 0, 0, 0]], 0.0, backlogs())
    assert choice.first(0b110) == 1


# declared shares


def test_declared_shares_are_no_matter_of_the_backlog() -> None:
    choice = declared(90, 10)
    choice.steer([[0.9, 0.1, 0, 0, 0, 0]], 0.0, backlogs(1000.0, 0.0))
    assert not choice.by_load
    counts = drawn(choice)
    assert [counts[0], counts[1]] == pytest.approx([9000, 1000], abs=20)


def test_a_weight_that_was_declared_as_zero_stays_zero() -> None:
    choice = declared(1, 0)
    choice.steer([[0.0, 1.0, 0, 0, 0, 0]], 0.0, backlogs())
    assert set(drawn(choice, count=200)) == {0}
    assert choice.first(0b10) == -1


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(1, 100), min_size=2, max_size=6),
    st.lists(st.floats(-1e-9, 1e-9), min_size=6, max_size=6),
    st.integers(0, 2**32),
)
def test_shares_hold_while_the_same_weights_come_again_and_again(
    weights: list[int], noise: list[float], seed: int
) -> None:
    """Sequences go on from their points: begun anew with each message, their errors would add up."""
    draws = Draws(weights, random.Random(seed))
    total = sum(weights)
    counts: Counter[int] = Counter()
    for i in range(N):
        if i % 20 == 0:
            draws.reweigh([w / total + e * (i % 40) for w, e in zip(weights, noise, strict=False)])
        counts[draws.pick(draws.mask)] += 1
    for position, weight in enumerate(weights):
        assert abs(counts[position] / N - weight / total) <= 0.001


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.floats(0.05, 1.0), min_size=3, max_size=3), min_size=2, max_size=20), st.integers(0, 99))
def test_what_is_drawn_while_weights_move_is_their_mean(moves: list[list[float]], seed: int) -> None:
    draws = Draws([1, 1, 1], random.Random(seed))
    counts: Counter[int] = Counter()
    wanted = [0.0, 0.0, 0.0]
    for weights in moves:
        draws.reweigh(weights)
        for position in range(3):
            wanted[position] += 500 * weights[position] / sum(weights)
        counts.update(draws.pick(0b111) for _ in range(500))
    for position in range(3):
        assert abs(counts[position] - wanted[position]) <= 6 * len(moves)


def test_weights_for_other_sets_mean_nothing() -> None:
    choice = declared(3, 1)
    choice.steer([[0.0, 1.0, 0, 0, 0, 0], [1.0, 0, 0, 0, 0, 0]], 0.5, backlogs())
    assert drawn(choice)[0] == pytest.approx(7500, abs=20)


def test_weights_that_are_all_zero_leave_the_shares() -> None:
    choice = declared(3, 1)
    choice.steer([[0.0] * 6], 0.0, backlogs())
    assert drawn(choice)[0] == pytest.approx(7500, abs=20)


# failover


def tiers(*names: str, spill: bool = False, is_free: bool = True) -> Choice:
    made = tuple(Tier(targets=tuple(Share(target=n) for n in tier), free=is_free) for tier in names)
    how = Spill(from_percent=80, to_percent=100) if spill else None
    return compile_strategy(Failover(tiers=made, spill=how), POSITIONS, random.Random(1))


def test_a_tier_spills_exactly_its_part_to_the_next_that_can_serve() -> None:
    choice = tiers("ab", "c", "d", spill=True)
    even = [[0.5, 0.5, 0, 0, 0, 0], [0, 0, 1.0, 0, 0, 0], [0, 0, 0, 1.0, 0, 0]]
    choice.steer(even, 0.3, backlogs())
    assert choice.by_load
    counts = drawn(choice)
    assert counts[2] == pytest.approx(3000, abs=20)
    assert counts[0] + counts[1] == N - counts[2]
    assert drawn(choice, 0b001011)[3] == pytest.approx(3000, abs=20)
    assert set(drawn(choice, 0b000011)) == {0, 1}
    assert choice.next(0b000101) == 0  # a second attempt is no matter of spilling


def test_nothing_spills_that_was_not_to_or_is_no_longer() -> None:
    for spills, spill in ((False, 0.5), (True, 0.0)):
        choice = tiers("a", "b", spill=spills)
        choice.steer([[1.0, 0, 0, 0, 0, 0], [0, 1.0, 0, 0, 0, 0]], spill, backlogs())
        assert set(drawn(choice, count=500)) == {0}


def test_a_tier_whose_usable_targets_have_no_weight_is_left_but_for_a_trial() -> None:
    choice = tiers("ab", "c")
    choice.steer([[1.0, 0, 0, 0, 0, 0], [0, 0, 1.0, 0, 0, 0]], 0.0, backlogs())
    assert 0 < drawn(choice, 0b110)[1] < 2 * TRIAL * N
    assert choice.next(0b110) == 2


@given(st.lists(st.floats(0.0, 1.0), min_size=6, max_size=6), st.floats(0.0, 1.0), st.integers(0, ALL))
def test_the_first_attempt_of_a_failover_is_usable(weights: list[float], spill: float, usable: int) -> None:
    choice = tiers("abc", "de", "f", spill=True)
    assume(usable)
    choice.steer([weights] * 3, spill, backlogs())
    for _ in range(20):
        assert usable >> choice.first(usable) & 1
