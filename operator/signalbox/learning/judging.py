"""The report of a training: how good it is on examples that the model had not seen, and what to mind."""

import numpy as np

from signalbox.learning import metrics
from signalbox.learning.cuts import at_share
from signalbox.learning.matrix import Floats, Ints
from signalbox.learning.report import Estimate, Kinds, Line, Report, Threshold
from signalbox.learning.tasks import Labels, Task
from signalbox.routing.classifiers.artefact import Artefact

FEW_EXAMPLES = 1000
"""With fewer, the report warns: intervals are wide, and the gain over length alone is not sure."""
SHARES = (5, 10, 20, 30, 40, 50, 60, 70, 80, 90)
_POINTS = 51


def untaught(artefact: Artefact, size: int) -> Report:
    """Of the prior alone."""
    return Report(
        labels=artefact.labels,
        examples=artefact.examples,
        learnt="Nothing",
        bytes=size,
        length_percent=100,
        cut=artefact.cut or 0.0,
        warnings=(
            f"{artefact.examples} examples with a label or scores are too few to learn from: the length alone decides",
        ),
    )


def report(
    artefact: Artefact,
    size: int,
    task: Task,
    values: Floats,
    fold: Ints,
    length: Floats,
    part: float,
    kinds: Kinds | None,
    seed: int,
) -> Report:
    """Of a model that learnt; ``values`` are of rows that it had not seen."""
    order, gained, last = task.order(values), task.gained(values), task.last
    placed, by_length = metrics.ranks(order, fold), metrics.ranks(length, fold)
    curve = metrics.curve(placed, gained, last)
    warnings = []
    if len(order) < FEW_EXAMPLES:
        warnings.append(
            f"{len(order)} examples are few: from {FEW_EXAMPLES} on, figures are steadier and routing better"
        )
    if curve is None:
        warnings.append(
            f"the last label's target is no better than the first's on these examples: list "
            f"{', '.join(artefact.labels)} from the cheapest to the strongest"
        )
    if part == 1.0:
        warnings.append("on kinds of query that were left out, words misled: the length alone decides")
    draws = metrics.bootstrap([placed, by_length], [gained, last], last, seed)
    expected, outcome = _calibration(task, values)
    reliability = metrics.reliability(expected, outcome)
    return Report(
        labels=artefact.labels,
        examples=artefact.examples,
        learnt=artefact.learnt,
        bytes=size,
        length_percent=round(100 * part),
        cut=artefact.cut or 0.0,
        apgr=_estimate(metrics.apgr(placed, gained, last), draws[:, 0]),
        length_only=_estimate(metrics.apgr(by_length, last, last), draws[:, 1]),
        over_length_only=_estimate(
            metrics.apgr(placed, gained, last) - metrics.apgr(by_length, last, last), draws[:, 0] - draws[:, 1]
        ),
        kinds=kinds,
        cpt50=None if curve is None or (half := curve.at(0.5)) is None else round(100 * half, 1),
        accuracy=_accuracy(task, values, artefact.cut, seed),
        ece=reliability.ece,
        thresholds=tuple(_threshold(percent, order, task.without, gained, curve) for percent in SHARES),
        warnings=tuple(warnings),
        curves=_curves(curve, by_length, last),
        reliability=(
            Line("observed", tuple(zip(reliability.predicted.tolist(), reliability.observed.tolist(), strict=True))),
        ),
    )


def _calibration(task: Task, values: Floats) -> tuple[Floats, Floats]:
    """What was expected and what came: of each gain, or of each label's probability."""
    if isinstance(task, Labels):
        return task.probabilities(values).ravel(), task.columns.ravel()
    return values.ravel(), task.columns[:, task.first :].ravel()


def _estimate(value: float, draws: Floats) -> Estimate | None:
    if not np.isfinite(value):
        return None
    low, high = metrics.interval(draws)
    return Estimate(value, low, high)


def _accuracy(task: Task, values: Floats, cut: float | None, seed: int) -> Estimate | None:
    """Part of the examples that get their label, with the cut where there is one."""
    if not isinstance(task, Labels):
        return None
    given = values.argmax(axis=1)
    if cut is not None:
        given = np.where(task.order(values) > cut, 1 + values[:, 1:].argmax(axis=1), 0)
    right = (given == task.columns.argmax(axis=1)).astype(np.float64)
    random = np.random.default_rng(seed)
    draws = random.binomial(len(right), right.mean(), metrics.BOOTSTRAPS) / len(right)
    return _estimate(float(right.mean()), draws)


def _threshold(percent: int, order: Floats, without: Floats, gained: Floats, curve: metrics.Curve | None) -> Threshold:
    leave = round(len(order) * percent / 100) / len(order)
    quality = float(without.mean() + np.interp(leave, *metrics.cumulated(order, gained)))  # of equal ones, any
    recovered = None
    if curve is not None:
        recovered = round(100 * float(np.interp(percent / 100, curve.share, curve.recovered)), 1)
    return Threshold(percent, round(100 * at_share(order, percent / 100), 2), round(100 * quality, 2), recovered)


def _curves(curve: metrics.Curve | None, by_length: Floats, last: Floats) -> tuple[Line, ...]:
    """Part of the gap recovered over the share of queries that leave."""
    length, oracle = metrics.curve(by_length, last, last), metrics.curve(last, last, last)
    if curve is None or length is None or oracle is None:
        return ()
    shares = np.linspace(0.0, 1.0, _POINTS)
    made = []
    for name, each in (("classifier", curve), ("length only", length), ("oracle", oracle)):
        recovered = np.interp(shares, each.share, each.recovered)
        made.append(Line(name, tuple(zip(shares.tolist(), recovered.tolist(), strict=True))))
    return (*made, Line("random", ((0.0, 0.0), (1.0, 1.0))))
