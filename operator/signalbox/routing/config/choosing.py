"""Strategies that choose for the query: by a classifier, or by an objective."""

from typing import Literal

from signalbox.routing.config.base import ConfigStruct
from signalbox.routing.expressions.tree import Condition


class Labelled(ConfigStruct, frozen=True):
    """A label, and the target that it stands for."""

    label: str
    target: str


class Select(ConfigStruct, tag="select", frozen=True):
    """The target that stands for the label of a classifier; else, or where that is not usable, ``otherwise``."""

    by: str
    targets: tuple[Labelled, ...]
    otherwise: str = ""


class Bounds(ConfigStruct, frozen=True):
    """What a target must meet: percent, 10⁻¹² of the currency unit for the whole request, milliseconds."""

    min_quality: int | None = None
    max_cost: int | None = None
    max_first_token_ms: int | None = None


class Objective(ConfigStruct, tag="objective", frozen=True):
    """The target that is best in one respect among those that ``filter`` leaves and that meet the bounds.

    ``quality`` names a classifier with expected scores, or is empty: then profiles say it.
    """

    aim: Literal["Cost", "Latency", "Load", "Quality"]
    targets: tuple[str, ...]
    filter: Condition | None = None
    quality: str = ""
    bounds: Bounds = Bounds()
