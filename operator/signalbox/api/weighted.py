"""Strategies that choose by share: weighted sets of targets, and tiers of them."""

from typing import Annotated, ClassVar

from pydantic import Field

from signalbox.api.base import ApiModel
from signalbox.api.rules import ListOf, Rule, Rules
from signalbox.api.types import TargetName


class WeightedTarget(ApiModel):
    """A target and its share."""

    name: TargetName
    """Name of a target in spec.targets."""
    weight: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    """Share of the requests, in relation to the other weights: 9 and 1 give 90 % and 10 %; 0 gives nothing. Give a
    weight to all targets of a set or to none; with none, requests follow capacity and load (see spec.feedback)."""


ShareList = Annotated[
    list[WeightedTarget],
    Field(min_length=1, max_length=64),
    ListOf("map"),
    Rules(
        Rule(
            "self.exists(t, !has(t.weight) || t.weight > 0)",
            "all weights are 0, so nothing could ever be sent: give one target a weight above 0",
        )
    ),
]


class Weighted(ApiModel):
    """Draws a target by share for every request."""

    targets: ShareList
    """The targets and their shares. A share is kept within one point over 10,000 requests."""


class Tier(ApiModel):
    """A set of targets of equal rank."""

    targets: ShareList
    """The targets of the tier and their shares."""


class Spill(ApiModel):
    """The part of the requests that leaves the first tier before it is full. It rises with the utilisation of the tier:
    the requests that its engines have, in relation to their concurrency, or the KV cache in use, whichever is more."""

    from_percent: Annotated[int, Field(ge=1, le=200)]
    """Utilisation up to which all requests stay."""
    to_percent: Annotated[int, Field(ge=1, le=200)]
    """Utilisation from which all requests leave."""

    rules: ClassVar = (
        Rule(
            "self.fromPercent < self.toPercent",
            "must be above fromPercent: the part that leaves rises between the two",
            field="toPercent",
        ),
    )


class Failover(ApiModel):
    """Uses the first tier that has a usable target."""

    tiers: Annotated[list[Tier], Field(min_length=1, max_length=8), ListOf("atomic")]
    """Tiers in order of preference. A later one serves only while no target of the earlier ones is usable, and what
    spill gives it."""
    spill: Spill | None = None
    """A part of the requests goes to the second tier before the first one is down, such as fromPercent: 80,
    toPercent: 100. Default: none does."""

    rules: ClassVar = (
        Rule(
            "!has(self.spill) || self.tiers.size() > 1",
            "has nowhere to go: add a second tier, or remove spill",
            field="spill",
            reason="FieldValueForbidden",
        ),
    )
