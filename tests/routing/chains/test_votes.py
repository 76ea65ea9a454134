"""Counting equal answers: what is said to be settled stays so, whatever comes."""

from collections.abc import Hashable
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalbox.routing.chains.votes import Votes

Keys = list[Hashable]
KEYS = ("a", "b", "c", None)
MISS = "miss"


def cast(weights: list[int], order: list[int], keys: list[Hashable]) -> Votes:
    votes = Votes(weights)
    for place, key in zip(order, keys, strict=False):
        if key == MISS:
            votes.miss(place)
        else:
            votes.vote(place, key)
    return votes


@st.composite
def elections(draw: st.DrawFn) -> tuple[list[int], list[int], Keys, int]:
    """Weights, the order in which answers come, what they say, and how many have come."""
    count = draw(st.integers(1, 4))
    weights = draw(st.lists(st.integers(0, 4), min_size=count, max_size=count))
    order = draw(st.permutations(range(count)))
    keys = draw(st.lists(st.sampled_from((*KEYS, MISS)), min_size=count, max_size=count))
    return weights, list(order), keys, draw(st.integers(0, count))


def futures(count: int, known: Keys) -> list[Keys]:
    """All that may come; an answer like nobody's is among it."""
    return [[*known, *rest] for rest in product(("a", "b", "c", "new", None, MISS), repeat=count - len(known))]


def said(votes: Votes, order: list[int], keys: Keys) -> Hashable:
    """Which answer leads: its first place tells those apart that are equal to nobody."""
    leader = votes.leader
    if leader is None:
        return None
    key = keys[order.index(leader)]
    return ("alone", leader) if key is None else key


@given(elections())
def test_settled_is_when_nothing_that_may_come_changes_the_leader(
    election: tuple[list[int], list[int], Keys, int],
) -> None:
    weights, order, keys, known = election
    votes = cast(weights, order, keys[:known])
    now = said(votes, order, keys)
    ends = {said(cast(weights, order, future), order, future) for future in futures(len(weights), keys[:known])}
    if votes.settled:
        assert ends == {now}
    elif min(weights) > 0:
        assert len(ends) > 1 or now is None


@given(elections(), st.integers(1, 100))
def test_reached_is_known_as_soon_as_it_can_be(election: tuple[list[int], list[int], Keys, int], percent: int) -> None:
    weights, order, keys, known = election
    answers = {cast(weights, order, future).percent >= percent - 1e-9 for future in futures(len(weights), keys[:known])}
    expected = answers.pop() if len(answers) == 1 else None
    assert cast(weights, order, keys[:known]).reached(percent) is expected


def test_a_tie_goes_to_the_place_that_is_listed_first() -> None:
    votes = cast([1, 1, 1, 1], [3, 2, 1, 0], ["b", "a", "b", "a"])
    assert votes.leader == 0
    assert votes.percent == 50
    assert votes.votes == "2 of 4, 2 of 4"


@pytest.mark.parametrize(
    ("weights", "keys", "settled", "reached"),
    [
        ([1, 1, 1], [], False, None),
        ([1, 1, 1], ["a"], False, None),
        ([1, 1], ["a"], True, None),
        ([1, 1, 1], ["a", "a"], True, True),
        ([1, 1, 1], ["a", "b"], False, None),
        ([1, 1, 1], ["a", "b", None], True, False),
        ([1, 1], ["a", MISS], True, False),
        ([3, 1, 1], ["a"], True, True),
        ([0, 0], ["a"], True, False),
    ],
)
def test_early_ends(weights: list[int], keys: Keys, settled: bool, reached: bool | None) -> None:
    votes = cast(weights, list(range(len(weights))), keys)
    assert (votes.settled, votes.reached(60)) == (settled, reached)
