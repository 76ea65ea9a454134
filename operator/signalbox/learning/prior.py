"""What is believed before any example: longer queries are harder, so they gain more from a stronger model.

Length alone reaches .56 APGR on MMLU and .60 on GSM8K; whatever is learnt stands beside it.
"""

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from signalbox.learning.matrix import Floats
from signalbox.routing.classifiers.artefact import Output, Standard
from signalbox.routing.classifiers.trained import MOST_DEVIATIONS

DEFAULT_LENGTH = Standard(5.5, 0.9)
"""Logarithm of the characters of queries unseen: half have more than 240, one in six more than 600."""
GAIN = 0.05
"""Expected gain per deviation of length: the slope on MMLU is .04, on GSM8K .06."""
BASE = 0.7
"""Expected score of the first target at the mean length. Nothing is decided by it."""
_SURE = 2.0  # so many standard errors of what examples say may be chance


def standard(length: Floats) -> Standard:
    """Mean and deviation of the lengths of some queries."""
    deviation = float(length.std())
    return Standard(float(length.mean()), deviation if deviation > 1e-6 else DEFAULT_LENGTH.deviation)


def scaled(length: Floats, by: Standard) -> Floats:
    """As a router does with one query's."""
    return np.clip((length - by.mean) / by.deviation, -MOST_DEVIATIONS, MOST_DEVIATIONS)


def typical() -> Floats:
    """Standardised lengths of queries of which nothing is known."""
    return np.array([NormalDist().inv_cdf((number + 0.5) / 1000) for number in range(1000)])


def gains(outputs: Sequence[Output], length: Floats) -> Floats:
    """The largest gain over the first label, by length alone."""
    return np.asarray(np.max([each.intercept + each.length * length for each in outputs[1:]], axis=0), np.float64)


def leaning(length: Floats, values: Floats, expected: float) -> float:
    """From -1 to 1: how the values go with length. As expected, unless the examples clearly say otherwise."""
    centred = values - values.mean()
    spread = float(np.sqrt((length @ length) * (centred @ centred)))
    correlation = float(length @ centred) / spread if spread > 0.0 else 0.0
    errors = correlation * np.sqrt(len(values))
    beyond = np.sign(errors) * max(0.0, abs(errors) - _SURE)
    return float(np.clip(expected + beyond, -1.0, 1.0))


def outputs(count: int) -> tuple[Output, ...]:
    """Of a classifier that learnt nothing: of ``count`` labels each has the same share of queries, by their length."""
    made = [Output(BASE, -GAIN)]
    intercept = slope = 0.0
    for number in range(1, count):
        slope += GAIN
        intercept -= GAIN * NormalDist().inv_cdf(number / count)
        made.append(Output(intercept, slope))
    return tuple(made)
