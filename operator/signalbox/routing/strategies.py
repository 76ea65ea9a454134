"""Strategies compiled for the hot path: which target a request tries first, and which next.

Targets are positions in the policy's list and sets of targets are bitmasks, so that a decision allocates nothing.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Protocol

from signalbox.routing import config
from signalbox.routing.backlog import Backlog
from signalbox.routing.choosing.objective import ObjectiveChoice
from signalbox.routing.choosing.ordered import OrderedChoice
from signalbox.routing.choosing.select import SelectChoice
from signalbox.routing.draws import FreeDraws, SharedDraws
from signalbox.routing.features import Facts
from signalbox.routing.shares import GOLDEN, TRIAL, Draws

SetDraws = FreeDraws | SharedDraws
Weights = Sequence[float] | None
"""Of one set, by position of the policy's targets, in any unit; None: as the shares say."""


class Choice(Protocol):
    """A strategy at work. ``mask`` holds the positions of all targets that it may ever use."""

    @property
    def mask(self) -> int:
        """Bitmask of the positions that this strategy may use."""
        ...

    @property
    def by_load(self) -> bool:
        """Whether load has a say in what is in force."""
        ...

    def for_(self, facts: Facts) -> "Choice":
        """The choice for one request: itself, unless it depends on the query. Raises ``UnknownValueError`` while it
        depends on a classifier that must be waited for."""
        ...

    def first(self, usable: int) -> int:
        """Position of the first attempt among the bitmask ``usable``; -1 when there is none."""
        ...

    def next(self, usable: int) -> int:
        """Position of a further attempt among ``usable`` (those tried are no longer in it); -1 when there is none."""
        ...

    def steer(self, sets: Sequence[Weights], spill: float, backlogs: Sequence[Backlog] | None) -> None:
        """Put weights in force, one of each set of targets; ``spill`` of the requests leave the first for the next.

        ``backlogs`` go by position; without them, load has no say. Weights for another number of sets mean nothing.
        """
        ...


class WeightedChoice:
    """One set of targets."""

    __slots__ = ("_draws", "first", "mask", "next")

    def __init__(self, draws: SetDraws) -> None:
        self._draws = draws
        self.mask = draws.mask
        self.first = draws.pick
        self.next = draws.redraw

    @property
    def by_load(self) -> bool:
        """See ``Choice.by_load``."""
        return self._draws.by_load

    def for_(self, facts: Facts) -> "WeightedChoice":
        """See ``Choice.for_``."""
        return self

    def steer(self, sets: Sequence[Weights], spill: float, backlogs: Sequence[Backlog] | None) -> None:
        """See ``Choice.steer``."""
        draws = self._draws
        draws.steer(sets[0] if len(sets) == 1 else None, backlogs)
        self.first, self.next = draws.pick, draws.redraw


class FailoverChoice:
    """Tiers in order; a tier is left when none of its targets is usable, and by what it spills."""

    __slots__ = ("_point", "_random", "_spill", "_spills", "_tiers", "mask")

    def __init__(self, tiers: Sequence[SetDraws], random: random.Random, *, spills: bool) -> None:
        self._tiers = tuple(tiers)
        self._random = random.random
        self._spills = spills
        self._spill = 0.0
        self._point = random.random()
        self.mask = 0
        for tier in self._tiers:
            self.mask |= tier.mask

    @property
    def by_load(self) -> bool:
        """See ``Choice.by_load``."""
        return self._spill > 0.0 or any(tier.by_load for tier in self._tiers)

    def for_(self, facts: Facts) -> "FailoverChoice":
        """See ``Choice.for_``."""
        return self

    def first(self, usable: int) -> int:
        """See ``Choice.first``."""
        if self._spill > 0.0:
            self._point = point = (self._point + GOLDEN) % 1.0
            if point < self._spill:
                for tier in self._tiers[1:]:
                    if usable & tier.active:
                        return tier.pick(usable)
        for tier in self._tiers:
            # One that had no usable target when weights were made has one now: a trial, as inside a set.
            if usable & tier.active or usable & tier.untried or (usable & tier.mask and self._random() < TRIAL):
                return tier.pick(usable)
        return self._any(usable)

    def next(self, usable: int) -> int:
        """See ``Choice.next``."""
        for tier in self._tiers:
            if usable & tier.active:
                return tier.redraw(usable)
        return self._any(usable)

    def _any(self, usable: int) -> int:
        for tier in self._tiers:
            if usable & tier.mask:
                return tier.redraw(usable)
        return -1

    def steer(self, sets: Sequence[Weights], spill: float, backlogs: Sequence[Backlog] | None) -> None:
        """See ``Choice.steer``."""
        known = len(sets) == len(self._tiers)
        for index, tier in enumerate(self._tiers):
            tier.steer(sets[index] if known else None, backlogs)
        self._spill = min(1.0, spill) if self._spills and known else 0.0


class CascadeChoice:
    """Steps in order, each a set of its own: who asks them one after the other draws from ``steps``."""

    __slots__ = ("mask", "steps")

    def __init__(self, steps: Sequence[WeightedChoice]) -> None:
        self.steps = tuple(steps)
        self.mask = 0
        for step in self.steps:
            self.mask |= step.mask

    @property
    def by_load(self) -> bool:
        """See ``Choice.by_load``."""
        return any(step.by_load for step in self.steps)

    def for_(self, facts: Facts) -> "CascadeChoice":
        """See ``Choice.for_``."""
        return self

    def first(self, usable: int) -> int:
        """Of the first step that has any."""
        return next((found for step in self.steps if (found := step.first(usable & step.mask)) >= 0), -1)

    def next(self, usable: int) -> int:
        """See ``first``."""
        return next((found for step in self.steps if (found := step.next(usable & step.mask)) >= 0), -1)

    def steer(self, sets: Sequence[Weights], spill: float, backlogs: Sequence[Backlog] | None) -> None:
        """See ``Choice.steer``."""
        known = len(sets) == len(self.steps)
        for index, step in enumerate(self.steps):
            step.steer([sets[index] if known else None], 0.0, backlogs)


def compile_strategy(strategy: config.Strategy, positions: Mapping[str, int], random: random.Random) -> Choice:
    """Compile ``strategy``; ``positions`` gives the position of each target name in the policy's list.

    Raises ``KeyError`` for a target that the policy does not have.
    """
    if isinstance(strategy, config.Weighted):
        return WeightedChoice(_draws(strategy, positions, random))
    if isinstance(strategy, config.Failover):
        tiers = [_draws(tier, positions, random) for tier in strategy.tiers]
        return FailoverChoice(tiers, random, spills=strategy.spill is not None)
    if isinstance(strategy, config.Select):
        return SelectChoice(strategy, positions)
    if isinstance(strategy, config.Objective):
        return ObjectiveChoice(strategy, positions)
    if isinstance(strategy, config.Cascade):
        return CascadeChoice([WeightedChoice(_draws(step, positions, random)) for step in strategy.steps])
    if isinstance(strategy, config.BestOf):
        return OrderedChoice([positions[each.target] for each in strategy.targets])
    stronger, voters = strategy.escalate_to, strategy.targets
    return OrderedChoice([positions[name] for name in (stronger, *(each.target for each in voters))])


def _draws(
    of: config.Weighted | config.Tier | config.Step, positions: Mapping[str, int], random: random.Random
) -> SetDraws:
    weights = [0] * len(positions)
    for share in of.targets:
        weights[positions[share.target]] += share.weight
    draws = Draws(weights, random)
    return FreeDraws(draws, random) if of.free else SharedDraws(draws)
