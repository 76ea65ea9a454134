"""The two things that examples teach: what each target scores, or which label a query has."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from signalbox.learning import blend, logistic
from signalbox.learning.examples import Example
from signalbox.learning.matrix import Floats


@dataclass(frozen=True)
class Scores:
    """Learn the first target's score, and what each other gains over it. Gains are what a choice is about: a query that
    all targets fail gains nothing, however hard it is.

    ``columns`` are what ridges learn, one per output; from ``first`` on they order the queries.
    """

    columns: Floats
    learnt: Literal["Scores"] = "Scores"
    first: int = 1

    @classmethod
    def of(cls, examples: Sequence[Example], targets: Sequence[str]) -> "Scores":
        scores = np.array([[(each.scores or {})[target] for target in targets] for each in examples], np.float64)
        scores[:, 1:] -= scores[:, :1]
        return cls(scores)

    @property
    def leanings(self) -> tuple[float, ...]:
        """How each column is expected to go with the length."""
        return (-1.0, *([1.0] * (self.columns.shape[1] - 1)))

    @property
    def without(self) -> Floats:
        """The score of each query that stays with the first label."""
        return self.columns[:, 0]

    @property
    def last(self) -> Floats:
        """What the last label would have brought each query."""
        return self.columns[:, -1]

    def lines(self, mixed: Floats) -> list[tuple[float, float]]:
        """Per ordering column, intercept and slope that make values of blended predictions."""
        return [blend.line(mixed[:, k], self.columns[:, k + 1]) for k in range(mixed.shape[1])]

    def order(self, values: Floats) -> Floats:
        """What a cut is compared with: how much a query should leave the first label."""
        return np.asarray(values.max(axis=1), np.float64)

    def gained(self, values: Floats) -> Floats:
        """What each query brings when it leaves for the label that the values say."""
        return np.asarray(self.columns[np.arange(len(values)), 1 + values.argmax(axis=1)], np.float64)

    def merit(self, values: Floats, place: Floats) -> Floats:
        """What each query brings, averaged over all shares that leave; ``place``: 1 is the first to leave."""
        return self.gained(values) * place


@dataclass(frozen=True)
class Labels:
    """The same of labels: one column each, 1 where it is right. Leaving the first label gains 1 where it is wrong."""

    columns: Floats
    learnt: Literal["Labels"] = "Labels"
    first: int = 0

    @classmethod
    def of(cls, examples: Sequence[Example], labels: Sequence[str]) -> "Labels":
        return cls(np.array([[float(each.label == label) for label in labels] for each in examples], np.float64))

    @property
    def leanings(self) -> tuple[float, ...]:
        count = self.columns.shape[1]
        return tuple(2.0 * k / (count - 1) - 1.0 for k in range(count))

    @property
    def without(self) -> Floats:
        return self.columns[:, 0]

    @property
    def last(self) -> Floats:
        return np.asarray(1.0 - self.columns[:, 0], np.float64)

    def lines(self, mixed: Floats) -> list[tuple[float, float]]:
        fits = [logistic.fit(mixed[:, [k]], self.columns[:, k]) for k in range(mixed.shape[1])]
        return [(intercept, max(float(slopes[0]), 1e-3)) for intercept, slopes in fits]

    def probabilities(self, values: Floats) -> Floats:
        """Of the labels, from their log-odds."""
        odds = logistic.probability(values)
        return np.asarray(odds / odds.sum(axis=1, keepdims=True), np.float64)

    def order(self, values: Floats) -> Floats:
        return np.asarray(1.0 - self.probabilities(values)[:, 0], np.float64)

    def gained(self, values: Floats) -> Floats:
        return self.last

    def merit(self, values: Floats, place: Floats) -> Floats:
        """The probability that each query's label got."""
        return np.asarray((self.probabilities(values) * self.columns).sum(axis=1), np.float64)


Task = Scores | Labels
