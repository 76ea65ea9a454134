"""How much the words and how much the length say: chosen on kinds of query that the words were not learnt from.

Words learnt from some kinds of query mislead on others, where length alone stays what it is. So a blend counts only if
whole kinds left out are judged no worse than by length, as far as can be told. Among those that hold it, the one wins
that is surely better than what is best for so many examples elsewhere: a hundred examples cannot choose, strong signals
can.
"""

from collections.abc import Callable, Sequence

import numpy as np

from signalbox.learning.matrix import Floats

PARTS = (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 1.0)
"""Of the length."""
EVEN = 300
"""With so many examples words and length count alike: best on MMLU with 100, 300, 1,000 and 3,700 labels was a part of
.65, .5, .35 and .2."""


def usual(examples: int) -> float:
    """The part of the length that is best for so many examples elsewhere."""
    return 1.0 / (1.0 + float(np.sqrt(examples / EVEN)))


def choose(examples: int, rows: Callable[[float], Floats], kinds: Callable[[float], Floats]) -> float:
    """The part of the length. ``rows`` and ``kinds`` give, for a part, the merit of each query left out by itself and
    with its kind."""
    alone, start = kinds(1.0), usual(examples)
    safe = [part for part in (start, *PARTS) if _surely(kinds(part) - alone, 1.0) >= 0.0 or part == 1.0]
    before = rows(start) + kinds(start)
    return max(safe, key=lambda part: _surely(rows(part) + kinds(part) - before, -2.0))


def _surely(difference: Floats, errors: float) -> float:
    """The mean, and so many standard errors."""
    return float(difference.mean() + errors * difference.std() / np.sqrt(len(difference)))


def unit(values: Floats, like: Floats) -> Floats:
    """In deviations from the mean of others."""
    deviation = float(like.std())
    return (values - like.mean()) / deviation if deviation > 1e-9 else np.zeros_like(values)


def line(x: Floats, y: Floats, pseudo: float = 20.0) -> tuple[float, float]:
    """Intercept and slope of the values: what makes expected values of scores that are only in the right order. Few
    examples shrink the slope; it stays above 0, so that the order is kept."""
    centred = x - x.mean()
    square = float(centred @ centred)
    slope = float(centred @ (y - y.mean())) / (square * (1.0 + pseudo / max(1, len(x))) + 1e-12)
    slope = max(slope, 1e-3)
    return float(y.mean() - slope * x.mean()), slope


def stacked(columns: Sequence[Floats], y: Floats, pseudo: float = 20.0) -> Floats:
    """Least squares on a constant and some columns, the slopes shrunk where examples are few."""
    x = np.stack([np.ones(len(y)), *columns], axis=1)
    penalty = np.diag([0.0] + [pseudo] * len(columns))
    return np.asarray(np.linalg.solve(x.T @ x + penalty, x.T @ y), np.float64)
