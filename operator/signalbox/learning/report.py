"""What training found, for people and for a policy's status."""

from typing import Literal

import msgspec


class Estimate(msgspec.Struct, frozen=True):
    """A value with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


class Threshold(msgspec.Struct, frozen=True, rename="camel"):
    """What a cut does: percent of the queries that leave the first label, the expected gain in points from which they
    leave, the mean score that this gives, and the percent of the gap recovered (None where there is no gap)."""

    strong_share_percent: int
    threshold_percent: float
    quality_percent: float
    recovered_percent: float | None


class Line(msgspec.Struct, frozen=True):
    """A series of points for a picture."""

    name: str
    points: tuple[tuple[float, float], ...]


class Kinds(msgspec.Struct, frozen=True, rename="camel"):
    """How it fares on kinds of query it has not seen: the classifier, and length alone."""

    apgr: float
    length_only: float
    named: bool
    """By the examples' ``group``; else found by their words."""


class Report(msgspec.Struct, frozen=True, rename="camel"):
    """``apgr``, ``cpt50`` (percent of queries that must leave to recover half of the gap), ``thresholds`` and
    calibration are of predictions for examples that the model had not seen. None: the examples cannot tell."""

    labels: tuple[str, ...]
    examples: int
    learnt: Literal["Scores", "Labels", "Nothing"]
    bytes: int
    length_percent: int
    """How much of the blend is the length."""
    cut: float
    apgr: Estimate | None = None
    length_only: Estimate | None = None
    over_length_only: Estimate | None = None
    kinds: Kinds | None = None
    cpt50: float | None = None
    accuracy: Estimate | None = None
    ece: float | None = None
    thresholds: tuple[Threshold, ...] = ()
    warnings: tuple[str, ...] = ()
    curves: tuple[Line, ...] = ()
    reliability: tuple[Line, ...] = ()
