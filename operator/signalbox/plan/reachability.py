"""Which conditions can never decide: those that an earlier one always forestalls."""

import msgspec

from signalbox.routing.expressions.tree import Condition, Constant, Logic, Node


def always(condition: Condition) -> bool:
    """Whether it is constantly true."""
    return implies(Constant(value=True), condition.tree)


def never(condition: Condition) -> bool:
    """Whether it is constantly false."""
    return implies(condition.tree, Constant(value=False))


def covers(earlier: Condition, later: Condition) -> bool:
    """Whether every request that matches ``later`` has matched ``earlier``. Sound, not complete."""
    return implies(later.tree, earlier.tree)


def implies(premise: Node, conclusion: Node) -> bool:
    """Whether ``conclusion`` is true whenever ``premise`` is, as far as ``&&``, ``||`` and constants tell.

    Errors do not weaken it: an ``&&`` that is true has no operand that failed, and one true operand makes an ``||``
    true whatever the others do.
    """
    return _implies(premise, conclusion, {})


def _implies(premise: Node, conclusion: Node, known: dict[tuple[int, int], bool]) -> bool:
    """``known`` keeps answers by identity, so that deep nesting costs a product of sizes and not an exponential."""
    pair = (id(premise), id(conclusion))
    if pair not in known:
        known[pair] = _decide(premise, conclusion, known)
    return known[pair]


def _decide(premise: Node, conclusion: Node, known: dict[tuple[int, int], bool]) -> bool:
    if _same(premise, conclusion) or _is(conclusion, True) or _is(premise, False):
        return True
    if isinstance(premise, Logic) and premise.operator == "or":
        return all(_implies(part, conclusion, known) for part in premise.operands)
    if isinstance(conclusion, Logic) and conclusion.operator == "and":
        return all(_implies(premise, part, known) for part in conclusion.operands)
    return (isinstance(premise, Logic) and any(_implies(part, conclusion, known) for part in premise.operands)) or (
        isinstance(conclusion, Logic) and any(_implies(premise, part, known) for part in conclusion.operands)
    )


def _same(one: Node, other: Node) -> bool:
    """Equal, and of equal types: in Python 1 == 1.0 == True."""
    return one == other and msgspec.json.encode(one) == msgspec.json.encode(other)


def _is(node: Node, value: bool) -> bool:
    return isinstance(node, Constant) and node.value is value
