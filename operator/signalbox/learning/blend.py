"""How much the words and how much the length say: chosen on kinds of query that the words were not learnt from.

Words learnt from some kinds of query mislead on others, where length alone stays what it is. So a blend counts only if
whole kinds left out are judged no worse than by length; among those that hold it, the one best on rows and kinds left
out. Few examples cannot choose, so that they leave the length a larger part from the start.
"""

from collections.abc import Callable, Sequence

import numpy as np

from signalbox.learning.matrix import Floats

EVEN = 300
"""With so many examples words and length count alike at least: best on MMLU with 100, 300, 1,000 and 3,700 labels was
a part of .65, .5, .35 and .2."""
STEPS = 5


def parts(examples: int) -> list[float]:
    """Candidates, from the least part of the length to nothing but length."""
    least = 1.0 / (1.0 + float(np.sqrt(examples / EVEN)))
    return [float(part) for part in np.linspace(least, 1.0, STEPS)]


def choose(among: Sequence[float], rows: Callable[[float], float], kinds: Callable[[float], float]) -> float:
    """The part of the length. ``rows`` and ``kinds`` give, for a part, what is gained on rows and kinds left out."""
    alone = kinds(1.0)
    safe = [part for part in among if kinds(part) >= alone]
    return max(safe, key=lambda part: rows(part) + kinds(part))


def unit(values: Floats) -> Floats:
    """Divided by the deviation, around 0."""
    deviation = float(values.std())
    return (values - values.mean()) / deviation if deviation > 1e-9 else np.zeros_like(values)


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
