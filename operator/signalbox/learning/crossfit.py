"""What models say of examples that they have not seen, and how it becomes values that mean something."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from signalbox.learning import blend, folds, metrics
from signalbox.learning.matrix import Floats, Ints, Rows
from signalbox.learning.packing import Column
from signalbox.learning.ridge import Design
from signalbox.learning.tasks import Task

Progress = Callable[[str], None]
Said = dict[int, Floats]
"""By column of the task, what models said of rows that they had not seen."""


def unseen(task: Task, rows: Rows, fold: Ints, columns: range, progress: Progress) -> Said:
    """Of every row, what a model says that learnt from the other folds."""
    found = {k: np.zeros(len(rows)) for k in columns}
    for number, (train, test) in enumerate(parts := folds.parts(fold), 1):
        progress(f"fold {number} of {len(parts)}")
        design, rest = Design(rows.take(train)), rows.take(test)
        for k in columns:
            found[k][test] = design.predict(design.fit(task.columns[train, k]), rest)
    return found


@dataclass(frozen=True)
class Blend:
    """Words and length together. ``leanings``: how each column goes with the length, from -1 to 1; ``said``: of single
    rows left out, whose units a router's model has, too. In these a model says little of words that it never saw."""

    task: Task
    length: Floats
    leanings: tuple[float, ...]
    said: Said

    @property
    def ordering(self) -> range:
        """The columns by which queries are ordered."""
        return range(self.task.first, self.task.columns.shape[1])

    def lines(self, part: float) -> list[tuple[float, float]]:
        """Intercept and slope that make values, when ``part`` of the blend is length."""
        return self.task.lines(self._mixed(self.said, part))

    def values(self, said: Said, part: float) -> Floats:
        """A column of each ordering column's values."""
        mixed = self._mixed(said, part)
        return np.stack([a + b * mixed[:, i] for i, (a, b) in enumerate(self.lines(part))], axis=1)

    def merit(self, said: Said, part: float, fold: Ints) -> Floats:
        """Of each row, how well it was judged."""
        values = self.values(said, part)
        return self.task.merit(values, metrics.ranks(self.task.order(values), fold))

    def gained(self, said: Said, part: float, fold: Ints) -> float:
        """Mean gain over all shares of queries that leave, over pooled folds."""
        values = self.values(said, part)
        return metrics.area(metrics.ranks(self.task.order(values), fold), self.task.gained(values))

    def columns(self, design: Design, part: float) -> list[Column]:
        """Fits of all rows, and what turns them into values."""
        made = []
        if self.task.first:
            word = blend.unit(self.said[0], self.said[0])
            intercept, slope, lean = blend.stacked([word, self.length], self.task.columns[:, 0])
            made.append((0, float(intercept), float(slope), float(lean)))
        for k, (intercept, slope) in zip(self.ordering, self.lines(part), strict=True):
            made.append((k, intercept, slope * (1.0 - part), slope * part * self.leanings[k]))
        return [Column.of(design.fit(self.task.columns[:, k]), self.said[k], *line) for k, *line in made]

    def _mixed(self, said: Said, part: float) -> Floats:
        return np.stack(
            [
                (1.0 - part) * blend.unit(said[k], self.said[k]) + part * self.leanings[k] * self.length
                for k in self.ordering
            ],
            axis=1,
        )
