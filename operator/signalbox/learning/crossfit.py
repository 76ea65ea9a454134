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


@dataclass(frozen=True)
class Crossfit:
    """What the steps of one training share. ``leanings``: how each column goes with the length, from -1 to 1."""

    task: Task
    rows: Rows
    length: Floats
    leanings: tuple[float, ...]
    progress: Progress

    @property
    def ordering(self) -> range:
        return range(self.task.first, self.task.columns.shape[1])

    def unseen(self, fold: Ints, columns: range, what: str) -> dict[int, Floats]:
        """Per column, what models say of rows that they have not seen."""
        found = {k: np.zeros(len(self.rows)) for k in columns}
        parts = folds.parts(fold)
        for number, (train, test) in enumerate(parts, 1):
            self.progress(f"cross-validation over {what}: fold {number} of {len(parts)}")
            design, rest = Design(self.rows.take(train)), self.rows.take(test)
            for k in columns:
                found[k][test] = design.predict(design.fit(self.task.columns[train, k]), rest)
        return found

    def blended(self, unseen: dict[int, Floats], part: float) -> tuple[Floats, list[tuple[float, float]]]:
        """The values of the ordering columns when ``part`` of them is length, and the lines that made them."""
        mixed = [(1.0 - part) * blend.unit(unseen[k]) + part * self.leanings[k] * self.length for k in self.ordering]
        lines = self.task.lines(np.stack(mixed, axis=1))
        return np.stack([a + b * each for each, (a, b) in zip(mixed, lines, strict=True)], axis=1), lines

    def merit(self, unseen: dict[int, Floats], part: float, fold: Ints) -> Floats:
        """Of each row, how well it was judged when ``part`` is length."""
        values, _ = self.blended(unseen, part)
        return self.task.merit(values, metrics.ranks(self.task.order(values), fold))

    def recovered(self, unseen: dict[int, Floats], part: float, fold: Ints) -> float:
        """Mean gain over all shares of queries that leave, over pooled folds."""
        values, _ = self.blended(unseen, part)
        return metrics.area(metrics.ranks(self.task.order(values), fold), self.task.gained(values))

    def columns(self, design: Design, unseen: dict[int, Floats], part: float) -> list[Column]:
        """Fits of all rows, and what turns them into values."""
        made = []
        if self.task.first:
            intercept, slope, lean = blend.stacked([blend.unit(unseen[0]), self.length], self.task.columns[:, 0])
            made.append((0, float(intercept), float(slope), float(lean)))
        for k, (intercept, slope) in zip(self.ordering, self.blended(unseen, part)[1], strict=True):
            made.append((k, intercept, slope * (1.0 - part), slope * part * self.leanings[k]))
        return [Column.of(design.fit(self.task.columns[:, k]), unseen[k], *line) for k, *line in made]
