"""Shares are held within one point over 10,000 first attempts, whatever is drawn between."""

import asyncio
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signalbox.routing.shares import MAX_SEQUENCES, Draws

N = 10_000
weights = st.lists(st.integers(0, 1_000_000), min_size=1, max_size=64).filter(any)


def assert_shares(counts: Counter[int], weights: list[int], among: int, total: int, points: float = 1.0) -> None:
    among_total = sum(w for i, w in enumerate(weights) if among >> i & 1)
    for position, weight in enumerate(weights):
        share = weight / among_total if among >> position & 1 else 0.0
        assert abs(counts[position] / total - share) <= points / 100


@settings(max_examples=40, deadline=None)
@given(weights, st.integers(0, 2**32))
def test_sequential_picks_hold_any_declared_shares(weights: list[int], seed: int) -> None:
    draws = Draws(weights, random.Random(seed))
    assert_shares(Counter(draws.pick(draws.mask) for _ in range(N)), weights, draws.mask, N)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 1000), min_size=2, max_size=8), st.integers(0, 2**32), st.data())
def test_shares_hold_inside_every_set_while_sets_and_retries_interleave(
    weights: list[int], seed: int, data: st.DataObject
) -> None:
    draws = Draws(weights, random.Random(seed))
    masks = data.draw(st.lists(st.integers(1, draws.mask), min_size=1, max_size=4, unique=True))
    chance = random.Random(seed)
    counts = {mask: Counter[int]() for mask in masks}
    for mask in (chance.choice(masks) for _ in range(N)):
        first = draws.pick(mask)
        counts[mask][first] += 1
        left = mask
        while chance.random() < 0.3 and left & ~(1 << first):
            left &= ~(1 << first)
            first = draws.redraw(left)
            assert left >> first & 1
    for mask, seen in counts.items():
        if seen.total() >= 1000:
            assert_shares(seen, weights, mask, seen.total())


async def test_concurrent_picks_hold_the_shares() -> None:
    weights = [90, 7, 3]
    draws = Draws(weights, random.Random(3))
    counts: Counter[int] = Counter()
    chance = random.Random(4)

    async def request() -> None:
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
        first = draws.pick(0b111)
        counts[first] += 1
        if chance.random() < 0.2:
            await asyncio.sleep(0)
            assert draws.redraw(0b111 & ~(1 << first)) != first

    await asyncio.gather(*(request() for _ in range(N)))
    assert_shares(counts, weights, 0b111, N, points=0.1)


def test_the_shares_of_several_workers_add_up() -> None:
    weights = [90, 10]
    counts: Counter[int] = Counter()
    for seed in range(8):
        draws = Draws(weights, random.Random(seed))
        counts.update(draws.pick(0b11) for _ in range(N // 8))
    assert_shares(counts, weights, 0b11, N, points=0.5)


def test_an_unusable_target_leaves_its_share_to_the_others_in_proportion() -> None:
    draws = Draws([50, 30, 20], random.Random(1))
    counts = Counter(draws.pick(0b110) for _ in range(N))
    assert counts[0] == 0
    assert counts[1] == pytest.approx(6000, abs=20)


def test_positions_without_weight_are_never_drawn() -> None:
    draws = Draws([0, 5, 0], random.Random(1))
    assert draws.mask == 0b010
    assert {draws.pick(0b111) for _ in range(100)} == {1}
    assert {draws.redraw(0b111) for _ in range(100)} == {1}


@pytest.mark.parametrize("among", [0, 0b101, 1 << 70])
def test_nothing_to_draw_from(among: int) -> None:
    draws = Draws([0, 5, 0], random.Random(1))
    assert draws.pick(among) == -1
    assert draws.redraw(among) == -1


def test_redraws_follow_the_weights_and_leave_the_sequence_alone() -> None:
    one, other = Draws([3, 1], random.Random(7)), Draws([3, 1], random.Random(7))
    counts: Counter[int] = Counter()
    for _ in range(N):
        assert one.pick(0b11) == other.pick(0b11)
        counts[one.redraw(0b11)] += 1
    assert_shares(counts, [3, 1], 0b11, N, points=3)


def test_memory_is_bounded_however_many_sets_are_seen() -> None:
    draws = Draws([1] * 64, random.Random(5))
    chance = random.Random(6)
    for _ in range(5 * MAX_SEQUENCES):
        mask = chance.getrandbits(64)
        assert mask >> draws.pick(mask) & 1
        assert len(draws._sequences) <= MAX_SEQUENCES
