"""Who is judged by models that have not seen them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from queries import KINDS, queries

from signalbox.learning import folds
from signalbox.learning.matrix import Rows


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=60))
def test_no_group_is_in_two_folds(groups: list[str]) -> None:
    fold = folds.over_groups(groups)
    assert len(fold) == len(groups)
    for name in set(groups):
        assert len({int(one) for one, group in zip(fold, groups, strict=True) if group == name}) == 1


def test_folds_have_about_the_same_size() -> None:
    assert np.bincount(folds.over_rows(103, seed=1)).tolist() == [21, 21, 21, 20, 20]
    sizes = np.bincount(
        folds.over_groups(
            [name for name, count in zip("abcdefg", (9, 8, 7, 6, 5, 3, 2), strict=True) for _ in range(count)]
        )
    )
    assert max(sizes) - min(sizes) <= 3


def test_equal_queries_are_in_one_fold_and_others_stay_where_they_are() -> None:
    fold = folds.over_rows(100, seed=1)
    assert (folds.together(fold, [f"query {row}" for row in range(100)]) == fold).all()
    twice = folds.together(fold, [f"query {row % 50}" if row < 50 else f" QUERY  {row % 50}\n" for row in range(100)])
    assert (twice[50:] == twice[:50]).all()
    assert (twice[:50] == fold[:50]).all()


def test_what_is_judged_was_not_learned_from() -> None:
    for train, test in folds.parts(folds.over_rows(23, seed=1)):
        assert not set(train) & set(test)
        assert len(train) + len(test) == 23
    assert folds.parts(np.zeros(5, np.intp)) == []


def test_kinds_are_found_by_their_words() -> None:
    made = queries(400)
    found = folds.clusters(Rows.of([text for _, text, _ in made]), seed=1)
    assert found == folds.clusters(Rows.of([text for _, text, _ in made]), seed=1)
    right = 0
    for number in set(found):
        kinds = [kind for (kind, _, _), one in zip(made, found, strict=True) if one == number]
        right += max(kinds.count(kind) for kind in KINDS)
    assert right > 0.9 * len(made)


def test_a_handful_of_rows_are_kinds_of_their_own() -> None:
    assert folds.clusters(Rows.of(["a", "b", "c"]), seed=1) == [0, 1, 2]
