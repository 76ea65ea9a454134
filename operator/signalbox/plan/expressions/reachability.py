"""Which conditions can never decide: those that an earlier one always forestalls."""

from typing import Final

import msgspec

from signalbox.routing.expressions.tree import Condition, Constant, Logic, Node

MAX_STEPS: Final = 100_000
"""A third of a second. Two long conditions alone may need the product of their sizes."""

_TRUE: Final = Constant(value=True)
_FALSE: Final = Constant(value=False)


class Reachability:
    """Compares the conditions of one policy, in no more than ``steps`` steps for all of them together.

    What would take more counts as not implied, and ``exhausted`` tells so: all that is said is true still.
    """

    def __init__(self, steps: int = MAX_STEPS) -> None:
        self._left = steps
        self._numbers: dict[object, int] = {}
        self._numbered: dict[int, tuple[Node, int]] = {}
        self._known: dict[tuple[int, int], bool] = {}

    @property
    def exhausted(self) -> bool:
        """Whether something was left unanswered."""
        return self._left < 0

    def always(self, condition: Condition) -> bool:
        """Whether it is constantly true."""
        return self.implies(_TRUE, condition.tree)

    def never(self, condition: Condition) -> bool:
        """Whether it is constantly false."""
        return self.implies(condition.tree, _FALSE)

    def covers(self, earlier: Condition, later: Condition) -> bool:
        """Whether every request that matches ``later`` has matched ``earlier``. Sound, not complete."""
        return self.implies(later.tree, earlier.tree)

    def implies(self, premise: Node, conclusion: Node) -> bool:
        """Whether ``conclusion`` is true whenever ``premise`` is, as far as ``&&``, ``||`` and constants tell.

        Errors do not weaken it: an ``&&`` that is true has no operand that failed, and one true operand makes an
        ``||`` true whatever the others do.
        """
        pair = self._number(premise), self._number(conclusion)
        if pair[0] == pair[1] or _is(conclusion, True) or _is(premise, False):
            return True
        self._left -= 1
        if self.exhausted or not (isinstance(premise, Logic) or isinstance(conclusion, Logic)):
            return False
        if pair not in self._known:
            self._known[pair] = self._by_parts(premise, conclusion)
        return self._known[pair]

    def _by_parts(self, premise: Node, conclusion: Node) -> bool:
        if isinstance(premise, Logic) and premise.operator == "or":
            return all(self.implies(part, conclusion) for part in premise.operands)
        if isinstance(conclusion, Logic) and conclusion.operator == "and":
            return all(self.implies(premise, part) for part in conclusion.operands)
        return (isinstance(premise, Logic) and any(self.implies(part, conclusion) for part in premise.operands)) or (
            isinstance(conclusion, Logic) and any(self.implies(premise, part) for part in conclusion.operands)
        )

    def _number(self, node: Node) -> int:
        """One number for all that is written alike: types count, since in Python 1 == 1.0 == True."""
        found = self._numbered.get(id(node))
        if found is None:
            parts = (node.operator, *map(self._number, node.operands)) if isinstance(node, Logic) else None
            number = self._numbers.setdefault(parts or msgspec.json.encode(node), len(self._numbers))
            found = self._numbered[id(node)] = node, number
        return found[1]


def _is(node: Node, value: bool) -> bool:
    return isinstance(node, Constant) and node.value is value
