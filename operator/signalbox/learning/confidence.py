"""Fitting how likely an answer is right, on answers that are known to be."""

from collections.abc import Sequence

import msgspec
import numpy as np

from signalbox.learning import folds, logistic, metrics
from signalbox.learning.examples import Answer, Example, ExamplesError
from signalbox.learning.matrix import Floats
from signalbox.routing.chains import confidence
from signalbox.routing.chains.confidence import ConfidenceModel

LEAST_ANSWERS = 100


class Answers(msgspec.Struct, frozen=True):
    """Whose answers to learn from; the same answers and seed give the same bytes."""

    targets: tuple[str, ...]
    seed: int = 0


class ConfidenceReport(msgspec.Struct, frozen=True, rename="camel"):
    """Cross-validated: ``auc`` is the part of pairs of a right and a wrong answer that are told apart (0.5: none),
    ``ece`` by how much confidence and correctness differ on average; ``uncalibrated_ece`` is that without a model."""

    targets: tuple[str, ...]
    examples: int
    bytes: int
    correct_percent: float
    auc: float
    ece: float
    uncalibrated_ece: float
    warnings: tuple[str, ...] = ()


class TooFewError(ExamplesError):
    """Nothing is wrong with the examples that there are."""


def fit(examples: Sequence[Example], settings: Answers) -> tuple[bytes, ConfidenceReport]:
    """The model and what is known of it; TooFewError where there are too few answers, or all are alike."""
    known = [
        answer
        for example in examples
        for target, answer in sorted(example.answers.items())
        if target in settings.targets and answer.correct is not None and answer.logprobs
    ]
    names = ", ".join(settings.targets)
    if len(known) < LEAST_ANSWERS:
        raise TooFewError(
            [
                f"answers: {len(known)} of {names} have correct and logprobs, and {LEAST_ANSWERS} are needed: "
                '{"prompt": "...", "answers": {"' + settings.targets[0] + '": {"text": "...", "logprobs": [-0.1], '
                '"correct": true}}}'
            ]
        )
    right = np.array([float(answer.correct is True) for answer in known])
    if right.min() == right.max():
        raise TooFewError([f"answers: all of {names} are {'right' if right[0] else 'wrong'}; give some of both"])
    inputs = np.array([confidence.features(answer.logprobs, len(answer.text)) for answer in known])
    unseen = np.zeros(len(known))
    for train, test in folds.parts(folds.over_rows(len(known), settings.seed)):
        model = _model(inputs[train], right[train], settings.targets)
        unseen[test] = _judged(model, [known[i] for i in test])
    model = _model(inputs, right, settings.targets)
    data = confidence.encode(model)
    return data, ConfidenceReport(
        targets=settings.targets,
        examples=len(known),
        bytes=len(data),
        correct_percent=round(100 * float(right.mean()), 1),
        auc=metrics.auc(unseen, right),
        ece=metrics.reliability(unseen, right).ece,
        uncalibrated_ece=metrics.reliability(_judged(None, known), right).ece,
    )


def _judged(model: ConfidenceModel | None, answers: Sequence[Answer]) -> Floats:
    return np.array([confidence.confidence(model, answer.logprobs, len(answer.text)) for answer in answers])


def _model(inputs: Floats, right: Floats, targets: tuple[str, ...]) -> ConfidenceModel:
    means, deviations = inputs.mean(axis=0), inputs.std(axis=0)
    deviations[deviations < 1e-6] = 1.0
    intercept, slopes = logistic.fit((inputs - means) / deviations, right)
    return ConfidenceModel(
        version=confidence.VERSION,
        targets=targets,
        intercept=intercept,
        slopes=_four(slopes),
        means=_four(means),
        deviations=_four(deviations),
        examples=len(right),
    )


def _four(values: Floats) -> tuple[float, float, float, float]:
    first, second, third, fourth = values.tolist()
    return first, second, third, fourth
