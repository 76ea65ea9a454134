"""How sure a model was of its answer, by the log-probabilities of its tokens.

Without a fitted model it is the geometric mean of the tokens' probabilities, which tells sure from unsure but is no
probability to be right. Models of a few numbers, fitted on answers known to be right or wrong, are.
"""

from collections.abc import Sequence
from math import exp, isfinite, log1p
from typing import Final

import msgspec

VERSION: Final = 1
MAX_BYTES: Final = 4096
LOWEST: Final = -20.0
"""Of a token: what is less likely than two in a billion counts as that. Engines say -9999 for what they cut off."""
_MOST: Final = 30.0  # log-odds beyond are certain

Four = tuple[float, float, float, float]


class ConfidenceModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A logistic over ``features``, each standardised. ``targets``: whose answers it was fitted on."""

    version: int
    targets: tuple[str, ...]
    intercept: float
    slopes: Four
    means: Four
    deviations: Four
    examples: int = 0


def features(logprobs: Sequence[float], length: int) -> Four:
    """Mean, smallest and 10th percentile of the tokens' log-probabilities, and the logarithm of the answer's length in
    characters."""
    ordered = sorted(max(LOWEST, min(0.0, value)) if isfinite(value) else LOWEST for value in logprobs)
    if not ordered:
        return LOWEST, LOWEST, LOWEST, log1p(length)
    return sum(ordered) / len(ordered), ordered[0], ordered[(len(ordered) - 1) // 10], log1p(length)


def confidence(model: ConfidenceModel | None, logprobs: Sequence[float], length: int) -> float:
    """From 0 to 1. Without any token there is none."""
    if not logprobs:
        return 0.0
    found = features(logprobs, length)
    if model is None:
        return exp(found[0])
    odds = model.intercept
    for slope, value, mean, deviation in zip(model.slopes, found, model.means, model.deviations, strict=True):
        odds += slope * (value - mean) / deviation
    return 1.0 / (1.0 + exp(-min(_MOST, max(-_MOST, odds))))


def encode(model: ConfidenceModel) -> bytes:
    """JSON: a few numbers that a person may read."""
    return msgspec.json.encode(model)


def decode(data: bytes) -> ConfidenceModel:
    """Read what ``encode`` wrote; ValueError says what is wrong with anything else."""
    if len(data) > MAX_BYTES:
        raise ValueError(f"{len(data)} bytes are too many for a model of confidence, which has at most {MAX_BYTES}")
    try:
        model = msgspec.json.decode(data, type=ConfidenceModel)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"this is no model of confidence: {error}") from None
    if model.version != VERSION:
        raise ValueError(f"the model of confidence has version {model.version}, and this program reads {VERSION}")
    numbers = (model.intercept, *model.slopes, *model.means, *model.deviations)
    if not all(map(isfinite, numbers)) or max(map(abs, numbers)) > 1e9 or min(model.deviations) <= 0.0:
        raise ValueError("the model of confidence has numbers that cannot be")
    return model
