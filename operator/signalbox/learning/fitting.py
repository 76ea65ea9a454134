"""Training: examples and settings in, artefact and report out. The same in, the same out."""

from collections.abc import Sequence

import msgspec
import numpy as np

from signalbox.learning import blend, cuts, folds, judging, prior
from signalbox.learning.crossfit import Blend, Progress, unseen
from signalbox.learning.examples import Example, fit_for
from signalbox.learning.matrix import Rows
from signalbox.learning.packing import packed
from signalbox.learning.report import Kinds, Report
from signalbox.learning.ridge import Design
from signalbox.learning.settings import Settings
from signalbox.learning.tasks import Labels, Scores, Task
from signalbox.routing.classifiers.artefact import VERSION, Artefact, Standard, encode
from signalbox.routing.classifiers.features import HAND

LEAST_EXAMPLES = 30
"""With fewer, nothing is learnt: the length alone decides."""


def train(examples: Sequence[Example], settings: Settings, progress: Progress = lambda _: None) -> tuple[bytes, Report]:
    """The artefact and what is known of it. ExamplesError where an example does not fit to the labels."""
    fit_for(examples, settings.labels, settings.names())
    known = [each for each in examples if each.label is not None or each.scores is not None]
    if len(known) < LEAST_EXAMPLES:
        return _untaught(Rows.of([each.prompt for each in examples]), len(known), settings)
    progress(f"reading {len(examples)} examples")
    rows = Rows.of([each.prompt for each in known])
    others = Rows.of([each.prompt for each in examples if each.label is None and each.scores is None])
    by_labels = known[0].label is not None
    task: Task = Labels.of(known, settings.labels) if by_labels else Scores.of(known, settings.names())
    standard = prior.standard(np.concatenate([rows.length, others.length]))
    length = prior.scaled(rows.length, standard)
    leanings = tuple(
        prior.leaning(length, column, expected) for column, expected in zip(task.columns.T, task.leanings, strict=True)
    )
    groups = [each.group for each in known if each.group is not None]
    named = len(groups) == len(known) and len(set(groups)) > 1
    over_rows = folds.together(folds.over_rows(len(known), settings.seed), [each.prompt for each in known])
    over_kinds = folds.over_groups(groups if named else folds.clusters(rows, settings.seed))
    every = range(task.columns.shape[1])
    of_rows = unseen(task, rows, over_rows, every, lambda what: progress(f"cross-validation over examples: {what}"))
    mixed = Blend(task, length, leanings, of_rows)
    of_kinds = unseen(
        task, rows, over_kinds, mixed.ordering, lambda what: progress(f"cross-validation over kinds of query: {what}")
    )
    part = blend.choose(
        len(known),
        lambda part: mixed.merit(of_rows, part, over_rows),
        lambda part: mixed.merit(of_kinds, part, over_kinds),
    )
    progress("fitting all examples")
    design = Design(rows)
    artefact, _ = packed(
        Artefact(
            version=VERSION,
            learnt=task.learnt,
            labels=settings.labels,
            targets=settings.names(),
            length=standard,
            hand=design.scaling.standards(),
            outputs=(),
            examples=len(known),
        ),
        design,
        mixed.columns(design, part),
    )
    values = mixed.values(of_rows, part)
    order = np.concatenate([task.order(values), cuts.orders(artefact, others)])
    cut = cuts.cut(task.learnt, settings.cut, order)
    artefact = msgspec.structs.replace(artefact, cut=cut, quantiles=cuts.quantiles(order))
    data = encode(artefact)
    gap = float(task.last.mean())
    kinds = None
    if gap > 0.0:
        apgr, length_only = (mixed.gained(of_kinds, each, over_kinds) / gap for each in (part, 1.0))
        kinds = Kinds(apgr, length_only, named)
    return data, judging.report(artefact, len(data), task, values, over_rows, length, part, kinds, settings.seed)


def _untaught(rows: Rows, known: int, settings: Settings) -> tuple[bytes, Report]:
    """The prior alone; prompts without anything else still say how long queries are."""
    enough = len(rows) >= LEAST_EXAMPLES
    length = prior.standard(rows.length) if enough else prior.DEFAULT_LENGTH
    outputs = prior.outputs(len(settings.labels))
    lengths = prior.scaled(rows.length, length) if enough else prior.typical()
    order = prior.gains(outputs, lengths)
    artefact = Artefact(
        version=VERSION,
        learnt="Nothing",
        labels=settings.labels,
        targets=settings.names(),
        length=length,
        hand=(Standard(0.0, 1.0),) * len(HAND),
        outputs=outputs,
        cut=cuts.cut("Nothing", settings.cut, order),
        quantiles=cuts.quantiles(order),
        examples=known,
    )
    data = encode(artefact)
    return data, judging.untaught(artefact, len(data))
