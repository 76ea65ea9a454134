"""Logistic regression on a few columns, by Newton's method: calibrated probabilities of 0 and 1."""

import numpy as np

from signalbox.learning.matrix import Floats
from signalbox.routing.classifiers.trained import MOST_LOG_ODDS

PENALTY = 1.0
"""Of a slope, in units of examples: what keeps it finite where the classes are apart."""
_STEPS = 50


def fit(columns: Floats, outcomes: Floats) -> tuple[float, Floats]:
    """Intercept and slopes. Outcomes lie between 0 and 1; two more, one of each kind, keep the intercept finite."""
    x = np.concatenate([np.ones((len(columns), 1)), columns], axis=1)
    x = np.concatenate([x, np.eye(1, x.shape[1]), np.eye(1, x.shape[1])])
    y = np.concatenate([outcomes, [0.0, 1.0]])
    penalty = np.diag([0.0] + [PENALTY] * columns.shape[1])
    beta = np.zeros(x.shape[1])
    for _ in range(_STEPS):
        odds = probability(x @ beta)
        slope = x.T @ (y - odds) - penalty @ beta
        curvature = (x * (odds * (1.0 - odds) + 1e-9)[:, None]).T @ x + penalty
        step = np.linalg.solve(curvature, slope)
        beta = beta + step / max(1.0, float(np.abs(step).max()) / 4.0)  # far steps overshoot
        if np.abs(step).max() < 1e-8:
            break
    return float(beta[0]), np.asarray(beta[1:], np.float64)


def probability(log_odds: Floats) -> Floats:
    """The logistic function, without overflow."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(log_odds, -MOST_LOG_ODDS, MOST_LOG_ODDS))), np.float64)
