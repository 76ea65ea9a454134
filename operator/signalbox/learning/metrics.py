"""How good a router is on queries whose outcomes are known.

APGR as in RouteLLM: of the gap between the first label's target and the last's, the part recovered, averaged over all
shares of queries that leave the first label. 0 is the first target alone, 1 the last for everything from the first
share on, .5 a router that draws; the oracle is above 1 where the last target is sometimes the worse one.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from signalbox.learning.matrix import Floats, Ints

GRID = 101
BOOTSTRAPS = 1000


@dataclass(frozen=True)
class Curve:
    """Part of the gap recovered (``recovered``) where a ``share`` of the queries left the first label."""

    share: Floats
    recovered: Floats

    @property
    def apgr(self) -> float:
        return float(np.trapezoid(self.recovered, self.share))

    def at(self, recovered: float) -> float | None:
        """The least share that recovers so much, or None."""
        above = np.nonzero(self.recovered >= recovered)[0]
        if not len(above):
            return None
        first = int(above[0])
        if first == 0:
            return float(self.share[0])
        low, high = self.recovered[first - 1], self.recovered[first]
        part = (recovered - low) / (high - low)
        return float(self.share[first - 1] + part * (self.share[first] - self.share[first - 1]))


def curve(order: Floats, gained: Floats, last: Floats) -> Curve | None:
    """Queries leave from the largest ``order`` on, equal ones together; ``gained`` is what each brings, ``last`` what
    the last target would have brought. None where the last target brings nothing."""
    gap = float(last.mean())
    if gap <= 0.0:
        return None
    share, total = cumulated(order, gained)
    return Curve(share, total / gap)


def area(order: Floats, gained: Floats) -> float:
    """Mean gain of a query, averaged over all shares: APGR without its unit, which there is always."""
    share, total = cumulated(order, gained)
    return float(np.trapezoid(total, share))


def cumulated(order: Floats, gained: Floats) -> tuple[Floats, Floats]:
    """Shares of queries that leave, and what that brings on average of all; equal ones leave together."""
    by = np.argsort(-order, kind="stable")
    ends = np.append(np.nonzero(np.diff(order[by]))[0], len(by) - 1)
    total = np.cumsum(gained[by])[ends] / len(by)
    return np.concatenate([[0.0], (ends + 1) / len(by)]), np.concatenate([[0.0], total])


def ranks(order: Floats, fold: Ints) -> Floats:
    """Each query's place within its fold, 0 to 1: folds have different models, whose numbers do not compare, and each
    is cut at a share of its own queries. Equal ones get the same place."""
    placed = np.zeros(len(order))
    for number in np.unique(fold):
        among = np.nonzero(fold == number)[0]
        values = np.sort(order[among])
        below = np.searchsorted(values, order[among], "left")
        upto = np.searchsorted(values, order[among], "right")
        placed[among] = (below + upto) / (2.0 * len(among))
    return placed


def apgr(order: Floats, gained: Floats, last: Floats) -> float:
    """The area alone; NaN where there is no gap."""
    found = curve(order, gained, last)
    return float("nan") if found is None else found.apgr


def bootstrap(
    orders: list[Floats], gained: list[Floats], last: Floats, seed: int, draws: int = BOOTSTRAPS
) -> NDArray[np.float64]:
    """APGR of several routers (columns) on the same resampled queries (rows), so that differences are paired."""
    random = np.random.default_rng(seed)
    count = len(last)
    found = np.full((draws, len(orders)), np.nan)
    sorted_by = [np.argsort(-order, kind="stable") for order in orders]
    for draw in range(draws):
        times = np.bincount(random.integers(0, count, count), minlength=count).astype(np.float64)
        gap = float(times @ last)
        if gap <= 0.0:
            continue
        for column, (by, each) in enumerate(zip(sorted_by, gained, strict=True)):
            weights = times[by]
            gains = weights * each[by]
            found[draw, column] = weights @ (np.cumsum(gains) - gains / 2.0) / (count * gap)  # a sum of trapezoids
    return found


def interval(values: Floats) -> tuple[float, float]:
    """The middle 95 %."""
    low, high = np.nanquantile(values, [0.025, 0.975])
    return float(low), float(high)


def auc(order: Floats, outcomes: Floats) -> float:
    """Part of the pairs of a 1 and a 0 whose order is right; equal ones count half."""
    values = np.sort(order)
    rank = (np.searchsorted(values, order, "left") + np.searchsorted(values, order, "right")) / 2.0
    ones = float(outcomes.sum())
    zeros = len(outcomes) - ones
    return float((rank @ outcomes - ones * ones / 2.0) / (ones * zeros))


@dataclass(frozen=True)
class Reliability:
    """Bins of equally many predictions: their mean, what came of them, and how many they are."""

    predicted: Floats
    observed: Floats
    counts: Ints

    @property
    def ece(self) -> float:
        """Expected calibration error: mean distance of the two, by count."""
        return float(self.counts @ np.abs(self.predicted - self.observed) / max(1, self.counts.sum()))


def reliability(predicted: Floats, observed: Floats, bins: int = 10) -> Reliability:
    """Bins of equal size, from the lowest prediction to the highest."""
    by = np.argsort(predicted, kind="stable")
    parts = [part for part in np.array_split(by, bins) if len(part)]
    return Reliability(
        np.array([predicted[part].mean() for part in parts]),
        np.array([observed[part].mean() for part in parts]),
        np.array([len(part) for part in parts], np.intp),
    )
