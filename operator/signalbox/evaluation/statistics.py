"""Means over queries with their 95 % intervals: the bootstrap, by resampling whole queries.

Every column is resampled together, so that a difference of two columns has its paired interval.
"""

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

DRAWS = 1000
_CHUNK = 2_000_000  # numbers at once: 16 MB

Floats = NDArray[np.float64]


class Estimate(msgspec.Struct, frozen=True):
    """A value with the middle 95 % of what resampled queries give."""

    value: float
    low: float
    high: float


def estimate(value: float, drawn: Floats) -> Estimate:
    """Of a value and its resampled ones."""
    known = drawn[~np.isnan(drawn)]
    if not len(known):
        return Estimate(value, value, value)
    low, high = np.quantile(known, [0.025, 0.975])
    return Estimate(value, float(low), float(high))


def column(values: Sequence[float | None]) -> Floats:
    """NaN where a value is not known."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def draws(count: int, seed: int = 0) -> Iterator[Floats]:
    """How often each of so many queries is in a resample: matrices with a row for each resample."""
    random = np.random.default_rng(seed)
    left = DRAWS
    while left:
        rows = max(1, min(left, _CHUNK // max(1, count)))
        left -= rows
        yield np.stack(
            [np.bincount(random.integers(0, count, count), minlength=count).astype(np.float64) for _ in range(rows)]
        )


def means(columns: Sequence[Floats]) -> list[Estimate | None]:
    """Of each column over the queries where it is known; None where it never is."""
    if not columns or not len(columns[0]):
        return [None for _ in columns]
    values = np.column_stack(columns)
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    weights = known.astype(np.float64)
    drawn = []
    for times in draws(len(values)):
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn.append((times @ filled) / (times @ weights))
    resampled = np.concatenate(drawn)
    found: list[Estimate | None] = []
    for position in range(values.shape[1]):
        count = weights[:, position].sum()
        if not count:
            found.append(None)
            continue
        found.append(estimate(float(filled[:, position].sum() / count), resampled[:, position]))
    return found


class Recovery(msgspec.Struct, frozen=True):
    """``apgr``: of the gap between the weakest target and the strongest, the part recovered, averaged over all shares
    of queries that leave the weakest (0.5 is what drawing lots gives). ``recovered``: the part at the policy's own
    share.
    """

    apgr: Estimate
    recovered: Estimate


def recovery(order: Floats, gained: Floats, last: Floats, quality: Floats) -> Recovery | None:
    """Queries leave the weakest target from the largest ``order`` on, equal ones together. ``gained`` is what leaving
    brings to each, ``last`` what the strongest target would bring, ``quality`` what the policy brings. None without a
    gap."""
    if not len(last) or last.mean() <= 0.0:
        return None
    by = np.argsort(-order, kind="stable")
    ends = np.append(np.nonzero(np.diff(order[by]))[0], len(by) - 1)
    gained, last, quality = gained[by], last[by], quality[by]
    areas, parts = [], []
    for times in draws(len(last)):
        area, part = _recovered(times[:, by], ends, gained, last, quality)
        areas.append(area)
        parts.append(part)
    area, part = _recovered(np.ones((1, len(last))), ends, gained, last, quality)
    return Recovery(estimate(float(area[0]), np.concatenate(areas)), estimate(float(part[0]), np.concatenate(parts)))


def _recovered(
    times: Floats, ends: NDArray[np.intp], gained: Floats, last: Floats, quality: Floats
) -> tuple[Floats, Floats]:
    """Area and part of each row of ``times``."""
    count = float(len(last))
    gap = times @ last / count
    start = np.zeros((len(times), 1))
    shares = np.hstack([start, np.cumsum(times, axis=1)[:, ends] / count])
    gains = np.hstack([start, np.cumsum(times * gained, axis=1)[:, ends] / count])
    with np.errstate(invalid="ignore", divide="ignore"):
        area = np.where(gap > 0.0, np.trapezoid(gains, shares, axis=1) / gap, np.nan)
        part = np.where(gap > 0.0, times @ quality / count / gap, np.nan)
    return area, part


def quantile(values: Floats, weights: Floats, part: float) -> float:
    """Of a mixture: the least value below which so large a part of the weight lies."""
    by = np.argsort(values, kind="stable")
    total = np.cumsum(weights[by])
    return float(values[by][np.searchsorted(total, part * total[-1] * (1.0 - 1e-12))])
