"""A trained classifier judges a query, in some forty microseconds."""

from collections.abc import Callable, Collection
from math import exp, sqrt
from operator import itemgetter
from typing import NamedTuple

from signalbox.routing.classifiers.artefact import ZERO, Artefact, Output, Standard, decode
from signalbox.routing.classifiers.features import Features, read

MOST_DEVIATIONS = 4.0
"""What lies farther out counts as this far: one odd number must not outweigh all words."""
MOST_LOG_ODDS = 30.0
"""What lies beyond is certain."""


class Prediction(NamedTuple):
    """``score``: the expected gain of the best other label over the first, or from labels the probability of the last.
    ``confidence``: the expected score of the chosen label's target, or from labels its probability. ``expected``: the
    expected score (or probability) of every label. ``qualities``: from scores, the expected score by target. All are 0
    to 1; ``gain`` is what the cut is compared with."""

    label: str
    score: float
    confidence: float
    expected: dict[str, float]
    gain: float
    qualities: dict[str, float]


class TrainedModel:
    """One artefact, ready to judge. Safe to share: nothing changes after ``__init__``."""

    def __init__(self, artefact: Artefact) -> None:
        self.artefact = artefact
        self._scores = artefact.learnt != "Labels"
        self._labels = artefact.labels
        self._cut = artefact.cut or 0.0

    @classmethod
    def of(cls, data: bytes) -> "TrainedModel":
        """From bytes; ValueError says what is wrong with them."""
        return cls(decode(data))

    def predict(self, text: str) -> Prediction:
        """Which label a query gets. Never raises."""
        return self.judged(read(text))

    def judged(self, features: Features) -> Prediction:
        """The same for features that were read already."""
        values = self.values(features)
        return self._by_gain(values) if self._scores else self._by_probability(values)

    def values(self, features: Features) -> list[float]:
        """The outputs, in their order."""
        artefact = self.artefact
        grams = features.grams
        entries = _entries(grams)
        norm = 0.0
        if artefact.rarity:
            norm = sqrt(artefact.rarity_step * sum(entries(artefact.rarity)))
        length = standardised(features.length, artefact.length)
        hand = [standardised(value, by) for value, by in zip(features.hand, artefact.hand, strict=True)]
        return [_value(output, entries, norm, length, hand) for output in artefact.outputs]

    def _by_gain(self, values: list[float]) -> Prediction:
        base, *gains = values
        best = max(gains)
        chosen = gains.index(best) + 1 if best > self._cut else 0
        expected = dict(zip(self._labels, [_clip(base), *(_clip(base + gain) for gain in gains)], strict=True))
        label = self._labels[chosen]
        learnt = self.artefact.learnt == "Scores"
        qualities = dict(zip(self.artefact.targets, expected.values(), strict=True)) if learnt else {}
        return Prediction(label, _clip(best), expected[label], expected, best, qualities)

    def _by_probability(self, log_odds: list[float]) -> Prediction:
        odds = [_logistic(value) for value in log_odds]
        total = sum(odds)
        shares = [value / total for value in odds]
        if self.artefact.cut is None:
            chosen = shares.index(max(shares))
        else:
            chosen = shares.index(max(shares[1:]), 1) if 1.0 - shares[0] > self._cut else 0
        label = self._labels[chosen]
        return Prediction(
            label, shares[-1], shares[chosen], dict(zip(self._labels, shares, strict=True)), 1.0 - shares[0], {}
        )


def standardised(value: float, by: Standard) -> float:
    """In deviations from the mean, within bounds."""
    return min(MOST_DEVIATIONS, max(-MOST_DEVIATIONS, (value - by.mean) / by.deviation))


def _entries(grams: Collection[int]) -> Callable[[bytes], tuple[int, ...]]:
    """What a table has for each gram: all at once, which takes half as long as one after the other."""
    if len(grams) > 1:
        return itemgetter(*grams)
    return lambda table: tuple(table[gram] for gram in grams)


def _value(
    output: Output, entries: Callable[[bytes], tuple[int, ...]], norm: float, length: float, hand: list[float]
) -> float:
    value = output.intercept + output.length * length
    for weight, each in zip(output.hand, hand, strict=False):  # there may be none
        value += weight * each
    if output.weights and norm:
        weights = entries(output.weights)
        value += output.scale * (sum(weights) - ZERO * len(weights)) / norm
    return value


def _clip(value: float) -> float:
    return min(1.0, max(0.0, value))


def _logistic(value: float) -> float:
    return 1.0 / (1.0 + exp(-min(MOST_LOG_ODDS, max(-MOST_LOG_ODDS, value))))
