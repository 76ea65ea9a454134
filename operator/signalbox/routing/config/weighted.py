"""Strategies that draw by share."""

from signalbox.routing.config.base import ConfigStruct


class Share(ConfigStruct, frozen=True):
    """A target and its declared weight; the planner writes 1 for each where none of a set declares one."""

    target: str
    weight: int = 1


class Weighted(ConfigStruct, tag="weighted", frozen=True):
    """Draw a target by share. ``free``: no share is declared, so requests go by capacity and load."""

    targets: tuple[Share, ...]
    free: bool = False


class Tier(ConfigStruct, frozen=True):
    """One step of a failover: drawn by share, left only when none of it is usable. ``free`` as above."""

    targets: tuple[Share, ...]
    free: bool = False


class Spill(ConfigStruct, frozen=True):
    """The part of the requests that leaves the first tier rises from none to all between two utilisations of it."""

    from_percent: int
    to_percent: int


class Failover(ConfigStruct, tag="failover", frozen=True):
    """The first tier with a usable target serves; with ``spill``, the next gets a part before that."""

    tiers: tuple[Tier, ...]
    spill: Spill | None = None
