"""Which conditions can never decide: those that an earlier one always forestalls."""

from collections.abc import Collection, Mapping
from typing import Final

import msgspec

from signalbox.routing.expressions.tree import Call, Condition, Constant, ListLiteral, Logic, Node, Variable

MAX_STEPS: Final = 100_000
"""A third of a second. Two long conditions alone may need the product of their sizes."""

_TRUE: Final = Constant(value=True)
_FALSE: Final = Constant(value=False)


class Reachability:
    """Compares the conditions of one policy, in no more than ``steps`` steps for all of them together.

    What would take more counts as not implied, and ``exhausted`` tells so: all that is said is true still. ``labels``
    go by classifier: it has always one of them, and never two.
    """

    def __init__(self, steps: int = MAX_STEPS, labels: Mapping[str, Collection[str]] | None = None) -> None:
        self._left = steps
        self._labels = {f"label.{name}": frozenset(of) for name, of in (labels or {}).items()}
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
        if self.exhausted:
            return False
        if not (isinstance(premise, Logic) or isinstance(conclusion, Logic)):
            return self._by_labels(premise, conclusion)
        if pair not in self._known:
            self._known[pair] = self._by_parts(premise, conclusion)
        return self._known[pair]

    def _by_labels(self, premise: Node, conclusion: Node) -> bool:
        """Whether some of a classifier's labels are among others of it."""
        if not self._labels:
            return False
        left, right = self._meant(premise), self._meant(conclusion)
        if right is not None and right[1] == self._labels[right[0]]:
            return True
        if left is not None and not left[1]:
            return True
        return left is not None and right is not None and left[0] == right[0] and left[1] <= right[1]

    def _meant(self, node: Node) -> tuple[str, frozenset[str]] | None:
        """The classifier that a comparison is about, and the labels by which it holds."""
        if not isinstance(node, Call) or node.function not in {"equals", "not_equals", "in_list"}:
            return None
        for one, other in (node.arguments, node.arguments[::-1]):
            if not isinstance(one, Variable) or one.path not in self._labels:
                continue
            literals = other.elements if isinstance(other, ListLiteral) else (other,)
            if all(isinstance(each, Constant) for each in literals):
                named = frozenset(str(each.value) for each in literals if isinstance(each, Constant))
                every = self._labels[one.path]
                return one.path, every - named if node.function == "not_equals" else every & named
        return None

    def _joined(self, node: Logic) -> Node | None:
        """One comparison in the place of all operands, where they are about the labels of one classifier."""
        meant = [self._meant(part) for part in node.operands] if self._labels else [None]
        found = [each for each in meant if each is not None]
        if len(found) < len(meant) or len({path for path, _ in found}) != 1:
            return None
        sets = [labels for _, labels in found]
        left = frozenset.intersection(*sets) if node.operator == "and" else frozenset.union(*sets)
        named = ListLiteral(tuple(Constant(value=label) for label in sorted(left)))
        return Call("in_list", (Variable(found[0][0]), named))

    def _by_parts(self, premise: Node, conclusion: Node) -> bool:
        if isinstance(premise, Logic) and (joined := self._joined(premise)) is not None:
            return self.implies(joined, conclusion)
        if isinstance(conclusion, Logic) and (joined := self._joined(conclusion)) is not None:
            return self.implies(premise, joined)
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
