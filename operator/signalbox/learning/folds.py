"""Which examples are judged by models that have not seen them: folds over rows, and over whole kinds of query."""

from collections.abc import Sequence

import numpy as np

from signalbox.learning.matrix import Floats, Ints, Rarity, Rows, Sparse

FOLDS = 5
_DIMENSIONS = 64
_STEPS = 15
_PER_CLUSTER = 30
_MOST_CLUSTERS = 40


def over_rows(count: int, seed: int, folds: int = FOLDS) -> Ints:
    """Every row's fold, by chance."""
    return np.asarray(np.random.default_rng(seed).permutation(count) % folds, np.intp)


def together(fold: Ints, texts: Sequence[str]) -> Ints:
    """The same with equal texts in one fold: who has learned one has seen the others."""
    first: dict[str, int] = {}
    at = [first.setdefault(" ".join(text.casefold().split()), row) for row, text in enumerate(texts)]
    return fold[np.array(at, np.intp)]


def over_groups(groups: Sequence[str | int], folds: int = FOLDS) -> Ints:
    """Every row's fold, no group in two: the largest group first, into the smallest fold."""
    names, group, sizes = np.unique(np.array(groups), return_inverse=True, return_counts=True)
    filled = np.zeros(folds, np.intp)
    of_group = np.zeros(len(names), np.intp)
    for number in np.argsort(-sizes, kind="stable"):
        of_group[number] = int(np.argmin(filled))
        filled[of_group[number]] += sizes[number]
    return of_group[group]


def parts(fold: Ints) -> list[tuple[Ints, Ints]]:
    """Positions to learn from and positions to judge, per fold that leaves some to learn from."""
    pairs = [(np.nonzero(fold != number)[0], np.nonzero(fold == number)[0]) for number in np.unique(fold)]
    return [pair for pair in pairs if len(pair[0])]


def clusters(rows: Rows, seed: int) -> list[int]:
    """Kinds of query found by their words, where nobody named them: spherical k-means on random projections."""
    count = max(FOLDS, min(_MOST_CLUSTERS, len(rows) // _PER_CLUSTER))
    if len(rows) <= count:
        return list(range(len(rows)))
    random = np.random.default_rng(seed)
    points = _projected(Sparse(rows, Rarity.of(rows, least=2)), random)
    centres = points[random.choice(len(points), count, replace=False)]
    nearest = np.zeros(len(points), np.intp)
    for _ in range(_STEPS):
        before, nearest = nearest, np.argmax(points @ centres.T, axis=1)
        if (before == nearest).all():
            break
        for number in range(count):
            members = points[nearest == number]
            if len(members):
                centres[number] = _unit(members.sum(axis=0, keepdims=True))[0]
    return [int(number) for number in nearest]


def _projected(sparse: Sparse, random: np.random.Generator) -> Floats:
    """Few dimensions that keep the angles, roughly."""
    compact, used = sparse.compact()
    directions = random.standard_normal((_DIMENSIONS, len(used)))
    return _unit(np.stack([compact.times(direction) for direction in directions], axis=1))


def _unit(points: Floats) -> Floats:
    norms = np.linalg.norm(points, axis=1, keepdims=True)
    return np.asarray(points / np.where(norms > 0.0, norms, 1.0), np.float64)
