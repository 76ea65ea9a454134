"""``select``: the target that stands for the label of a classifier."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from signalbox.routing import config
from signalbox.routing.backlog import Backlog
from signalbox.routing.choosing.ordered import OrderedChoice

if TYPE_CHECKING:
    from signalbox.routing.features import Facts
    from signalbox.routing.strategies import Weights


class SelectChoice:
    """An order of the targets for each label: the one that stands for it, ``otherwise``, then the others as listed."""

    __slots__ = ("_by", "_by_label", "_otherwise", "by_load", "mask")

    def __init__(self, strategy: config.Select, positions: Mapping[str, int]) -> None:
        """Raises ``KeyError`` for a target that the policy does not have."""
        self._by = strategy.by
        self.by_load = False
        otherwise = [strategy.otherwise] if strategy.otherwise else []
        rest = (*otherwise, *(each.target for each in strategy.targets))
        self._by_label = {
            each.label: OrderedChoice([positions[name] for name in dict.fromkeys((each.target, *rest))])
            for each in strategy.targets
        }
        self._otherwise = OrderedChoice([positions[name] for name in dict.fromkeys(rest)])
        self.mask = self._otherwise.mask

    def for_(self, facts: "Facts") -> OrderedChoice:
        """See ``Choice.for_``."""
        return self._by_label.get(facts.labels[self._by], self._otherwise)

    def first(self, usable: int) -> int:
        """As for a label that has no target."""
        return self._otherwise.first(usable)

    next = first

    def steer(self, sets: "Sequence[Weights]", spill: float, backlogs: Sequence[Backlog] | None) -> None:
        """See ``Choice.steer``: load has no say."""
