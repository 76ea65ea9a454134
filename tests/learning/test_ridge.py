"""Ridge regression on sparse rows."""

import numpy as np
import pytest
from queries import queries

from signalbox.learning.matrix import Rarity, Rows, Sparse
from signalbox.learning.ridge import HAND_SCALE, Design

TEXTS = [text for _, text, _ in queries(60)]


def dense(rows: Rows, rarity: Rarity) -> np.ndarray:
    """What ``Sparse`` holds, with every zero."""
    made = np.zeros((len(rows), 1 << 18))
    for i in range(len(rows)):
        grams = rows.grams[rows.starts[i] : rows.starts[i + 1]]
        made[i, grams] = np.sqrt(rarity.codes[grams] * rarity.step)
    norms = np.linalg.norm(made, axis=1, keepdims=True)
    return made / np.where(norms > 0, norms, 1)


def test_products_are_those_of_the_whole_matrix() -> None:
    rows = Rows.of([*TEXTS, "", "unheard"])
    rarity = Rarity.of(rows, least=2)
    sparse, whole, random = Sparse(rows, rarity), dense(rows, rarity), np.random.default_rng(1)
    weights, per_row = random.normal(size=1 << 18), random.normal(size=len(rows))
    np.testing.assert_allclose(sparse.times(weights), whole @ weights, atol=1e-9)
    np.testing.assert_allclose(sparse.transposed(per_row), whole.T @ per_row, atol=1e-9)


def test_the_fit_is_the_exact_one() -> None:
    rows, values = Rows.of(TEXTS), np.random.default_rng(2).normal(size=len(TEXTS))
    design = Design(rows)
    hand = design.scaling(rows.hand) * HAND_SCALE
    inputs = np.concatenate([dense(rows, design.rarity), hand], axis=1)
    centred = values - values.mean()
    exact = inputs @ (inputs.T @ np.linalg.solve(inputs @ inputs.T + 0.5 * np.eye(len(rows)), centred))
    np.testing.assert_allclose(design.predict(design.fit(values, 0.5), rows), exact, atol=0.01)


def test_rows_can_be_taken() -> None:
    rows = Rows.of(TEXTS)
    some = rows.take(np.array([5, 0, 7]))
    alone = Rows.of([TEXTS[5], TEXTS[0], TEXTS[7]])
    assert some.grams.tolist() == alone.grams.tolist()
    assert some.starts.tolist() == alone.starts.tolist()
    assert some.hand == pytest.approx(alone.hand)
    assert len(rows.take(np.zeros(0, np.intp))) == 0


def test_common_words_say_less_than_rare_ones_and_single_ones_nothing_where_two_are_asked_for() -> None:
    rows = Rows.of(["the cat", "the dog", "the dog", "the emu"])
    rarity = Rarity.of(rows, least=2)
    the, dog, emu = (int(rarity.codes[next(iter(Rows.of([word]).grams))]) for word in ("the", "dog", "emu"))
    assert dog > the >= 0 == emu
