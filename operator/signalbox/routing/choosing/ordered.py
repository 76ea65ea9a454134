"""Targets in an order of preference."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from signalbox.routing.backlog import Backlog

if TYPE_CHECKING:
    from signalbox.routing.features import Facts
    from signalbox.routing.strategies import Weights


class OrderedChoice:
    """The first that is usable; load has no say."""

    __slots__ = ("by_load", "mask", "order")

    def __init__(self, order: Sequence[int]) -> None:
        self.order = tuple(order)
        self.by_load = False
        self.mask = sum(1 << position for position in set(order))

    def for_(self, facts: "Facts") -> "OrderedChoice":
        """See ``Choice.for_``."""
        return self

    def first(self, usable: int) -> int:
        """See ``Choice.first``."""
        for position in self.order:
            if usable >> position & 1:
                return position
        return -1

    next = first

    def steer(self, sets: "Sequence[Weights]", spill: float, backlogs: Sequence[Backlog] | None) -> None:
        """See ``Choice.steer``."""
