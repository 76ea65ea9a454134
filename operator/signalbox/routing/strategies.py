"""Strategies compiled for the hot path: which target a request tries first, and which next.

Targets are positions in the policy's list and sets of targets are bitmasks, so that a decision allocates nothing.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Protocol

from signalbox.routing import config
from signalbox.routing.shares import Draws


class Choice(Protocol):
    """A strategy at work. ``mask`` holds the positions of all targets that it may ever use."""

    @property
    def mask(self) -> int:
        """Bitmask of the positions that this strategy may use."""
        ...

    def first(self, usable: int) -> int:
        """Position of the first attempt among the bitmask ``usable``; -1 when there is none."""
        ...

    def next(self, usable: int) -> int:
        """Position of a further attempt among ``usable`` (those tried are no longer in it); -1 when there is none."""
        ...


class WeightedChoice:
    """One set of targets, drawn by share."""

    __slots__ = ("first", "mask", "next")

    def __init__(self, draws: Draws) -> None:
        self.mask = draws.mask
        self.first = draws.pick
        self.next = draws.redraw


class FailoverChoice:
    """Tiers in order; a tier is left only when none of its targets is usable."""

    __slots__ = ("_tiers", "mask")

    def __init__(self, tiers: Sequence[Draws]) -> None:
        self._tiers = tuple(tiers)
        self.mask = 0
        for tier in self._tiers:
            self.mask |= tier.mask

    def first(self, usable: int) -> int:
        """See ``Choice.first``."""
        for tier in self._tiers:
            if usable & tier.mask:
                return tier.pick(usable)
        return -1

    def next(self, usable: int) -> int:
        """See ``Choice.next``."""
        for tier in self._tiers:
            if usable & tier.mask:
                return tier.redraw(usable)
        return -1


def compile_strategy(strategy: config.Strategy, positions: Mapping[str, int], random: random.Random) -> Choice:
    """Compile ``strategy``; ``positions`` gives the position of each target name in the policy's list.

    Raises ``KeyError`` for a target that the policy does not have.
    """
    if isinstance(strategy, config.Weighted):
        return WeightedChoice(_draws(strategy.targets, positions, random))
    return FailoverChoice([_draws(tier.targets, positions, random) for tier in strategy.tiers])


def _draws(shares: Sequence[config.Share], positions: Mapping[str, int], random: random.Random) -> Draws:
    weights = [0] * (max((positions[share.target] for share in shares), default=-1) + 1)
    for share in shares:
        weights[positions[share.target]] += share.weight
    return Draws(weights, random)
