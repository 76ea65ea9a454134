"""Trained on some queries, judged on others: the only way in which this package gets a figure."""

import lzma
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from signalbox.learning import folds, metrics
from signalbox.learning.examples import Example
from signalbox.learning.fitting import train
from signalbox.learning.settings import Settings
from signalbox.routing.classifiers.trained import TrainedModel

DATA = Path(__file__).parent / "data"
SETTINGS = Settings(("weak", "strong"))


class Line(msgspec.Struct, frozen=True):
    """A prompt with what two models scored. ``subject`` forms folds and is never an input."""

    prompt: str
    subject: str
    scores: dict[str, float]

    @property
    def example(self) -> Example:
        """Without the subject: who trains must not know it, where whole subjects are held out."""
        return Example(self.prompt, scores=self.scores)


@dataclass(frozen=True)
class Set:
    """A data set. ``gain``: what the strong model brings."""

    name: str
    lines: list[Line]

    @classmethod
    def load(cls, name: str) -> "Set":
        text = lzma.decompress((DATA / f"{name}.jsonl.xz").read_bytes())
        return cls(name, [msgspec.json.decode(line, type=Line) for line in text.splitlines()])

    @property
    def gain(self) -> NDArray[np.float64]:
        return np.array([line.scores["strong"] - line.scores["weak"] for line in self.lines])

    @property
    def length(self) -> NDArray[np.float64]:
        return np.array([float(len(line.prompt)) for line in self.lines])

    def over_rows(self, seed: int) -> NDArray[np.intp]:
        """Every row's fold, by chance; a prompt that is there twice is in one."""
        return folds.together(folds.over_rows(len(self.lines), seed), [line.prompt for line in self.lines])

    def over_subjects(self, seed: int) -> NDArray[np.intp]:
        """Every row's fold, whole subjects together, of about the same size."""
        names = sorted({line.subject for line in self.lines})
        order = dict(zip(names, np.random.default_rng(seed).permutation(len(names)), strict=True))
        return folds.over_groups([f"{order[line.subject]:03}" for line in self.lines])


@dataclass(frozen=True)
class Judged:
    """What models said of the rows of folds that they had not seen: the expected gain and the weak model's expected
    score, beside the true ``gain`` and ``score``; the order by which queries leave, and that by length."""

    gain: NDArray[np.float64]
    expected: NDArray[np.float64]
    weak: NDArray[np.float64]
    score: NDArray[np.float64]
    order: NDArray[np.float64]
    length: NDArray[np.float64]


def judged(data: Set, fold: NDArray[np.intp], labels: int | None, draw: int) -> Judged:
    """Train on the rest of each fold, or on so many of it, and let the routers' code judge the fold; ``draw`` numbers
    the samples of labels."""
    gain, expected, weak = data.gain, np.zeros(len(data.lines)), np.zeros(len(data.lines))
    for number in np.unique(fold):
        known = np.nonzero(fold != number)[0]
        if labels is not None:
            known = np.random.default_rng((draw, int(number))).permutation(known)[:labels]
        model = TrainedModel.of(train([data.lines[i].example for i in known], SETTINGS)[0])
        for i in np.nonzero(fold == number)[0]:
            found = model.predict(data.lines[i].prompt)
            expected[i], weak[i] = found.gain, found.expected["weak"]
    score = np.array([line.scores["weak"] for line in data.lines])
    return Judged(gain, expected, weak, score, metrics.ranks(expected, fold), metrics.ranks(data.length, fold))


def apgr(found: Sequence[Judged]) -> float:
    """Mean over draws of labels."""
    return float(np.mean([metrics.apgr(each.order, each.gain, each.gain) for each in found]))


def apgr_of_length(found: Sequence[Judged]) -> float:
    """The same, by length alone."""
    return float(np.mean([metrics.apgr(each.length, each.gain, each.gain) for each in found]))
