"""From which expected gain on a query leaves the first label."""

from typing import Literal

import numpy as np

from signalbox.learning.matrix import Floats, Rows
from signalbox.learning.settings import StrongShare, Threshold
from signalbox.routing.classifiers.artefact import QUANTILES, Artefact
from signalbox.routing.classifiers.features import Features
from signalbox.routing.classifiers.trained import TrainedModel


def cut(
    learnt: Literal["Scores", "Labels", "Nothing"], declared: StrongShare | Threshold | None, order: Floats
) -> float | None:
    """What must be exceeded. ``order`` is what models say of queries that they have not seen: what they say of those
    that they learnt from is too sure, and the share would not hold for new ones."""
    match declared:
        case StrongShare(percent):
            return at_share(order, percent / 100.0)
        case Threshold(percent):
            return percent / 100.0
        case None:
            return None if learnt == "Labels" else 0.0


def quantiles(order: Floats) -> tuple[float, ...]:
    """As an artefact keeps them."""
    return tuple(float(value) for value in np.quantile(order, np.linspace(0.0, 1.0, QUANTILES)))


def at_share(order: Floats, share: float) -> float:
    """What this share of the queries exceeds, as nearly as equal ones allow."""
    by = np.sort(order)[::-1]
    leave = round(share * len(by))
    if leave == 0:
        return float(by[0])
    if leave == len(by):
        return float(np.nextafter(by[-1], -np.inf))
    return float(by[leave])


def orders(artefact: Artefact, rows: Rows) -> Floats:
    """What a router compares with the cut, for rows that were not learnt from."""
    model = TrainedModel(artefact)
    found = []
    for number in range(len(rows)):
        grams = rows.grams[rows.starts[number] : rows.starts[number + 1]]
        hand = tuple(float(value) for value in rows.hand[number])
        found.append(model.judged(Features(set(grams.tolist()), hand, float(rows.length[number]))).gain)
    return np.array(found, np.float64)
