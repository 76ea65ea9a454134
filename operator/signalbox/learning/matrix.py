"""The features of many texts as arrays: a sparse matrix of grams by rows, the counts, and the lengths."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from signalbox.routing.classifiers.artefact import TABLE
from signalbox.routing.classifiers.features import HAND, read

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]
RARITY_LEVELS = 255


@dataclass(frozen=True)
class Rows:
    """Row i has the grams ``grams[starts[i]:starts[i + 1]]``."""

    starts: Ints
    grams: Ints
    hand: Floats
    length: Floats

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        """In the order of the texts; the same texts give the same arrays."""
        starts, grams, hand, lengths = [0], [], [], []
        for text in texts:
            found = read(text)
            grams.append(np.array(sorted(found.grams), np.intp))
            starts.append(starts[-1] + len(found.grams))
            hand.append(found.hand)
            lengths.append(found.length)
        return cls(
            np.array(starts, np.intp),
            np.concatenate([np.zeros(0, np.intp), *grams]),
            np.array(hand, np.float64).reshape(len(hand), len(HAND)),
            np.array(lengths, np.float64),
        )

    def __len__(self) -> int:
        return len(self.starts) - 1

    def take(self, which: NDArray[Any]) -> "Rows":
        """Some rows, by their positions."""
        counts = np.diff(self.starts)[which]
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)
        at = np.repeat(self.starts[:-1][which] - starts[:-1], counts) + np.arange(starts[-1])
        return Rows(starts, self.grams[at], self.hand[which], self.length[which])


@dataclass(frozen=True)
class Rarity:
    """Squares of inverse document frequencies per bucket, in whole steps as the artefact keeps them."""

    codes: Bytes
    step: float

    @classmethod
    def of(cls, rows: Rows, least: int) -> Self:
        """Grams in fewer than ``least`` rows count nothing: they tell of one example only."""
        frequency = np.bincount(rows.grams, minlength=TABLE)
        squares = np.log((len(rows) + 1) / (np.arange(frequency.max() + 1) + 1)) ** 2  # by frequency
        squares[:least] = 0.0
        step = max(float(squares.max()) / RARITY_LEVELS, 1e-9)
        return cls(np.rint(squares / step).astype(np.uint8)[frequency], step)


class Sparse:
    """Rows of unit length, weighed by rarity, ready to be multiplied."""

    def __init__(self, rows: Rows, rarity: Rarity) -> None:
        counts = np.diff(rows.starts)
        row = np.repeat(np.arange(len(rows)), counts)
        squares = rarity.codes[rows.grams] * rarity.step
        norms = np.sqrt(np.bincount(row, weights=squares, minlength=len(rows)))
        norms[norms == 0.0] = 1.0
        seen = squares > 0.0
        self.row = row[seen]
        self.gram = rows.grams[seen]
        self.value = np.sqrt(squares[seen]) / norms[self.row]
        self.count = len(rows)

    def times(self, weights: Floats) -> Floats:
        """One number per row, from one weight per bucket."""
        found = np.bincount(self.row, weights=self.value * weights[self.gram], minlength=self.count)
        return found.astype(np.float64, copy=False)

    def transposed(self, per_row: Floats, size: int = TABLE) -> Floats:
        """One number per bucket, from one per row."""
        found = np.bincount(self.gram, weights=self.value * per_row[self.row], minlength=size)
        return found.astype(np.float64, copy=False)

    def compact(self) -> tuple["Sparse", Ints]:
        """The same with buckets numbered without gaps, and which bucket each number is."""
        used, positions = np.unique(self.gram, return_inverse=True)
        made = object.__new__(Sparse)
        made.row, made.gram, made.value, made.count = self.row, positions.astype(np.intp), self.value, self.count
        return made, used
