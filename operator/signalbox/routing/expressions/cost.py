"""How big and how dear a condition may be: bounds that no sensible condition meets."""

from collections.abc import Iterator
from typing import Final

from signalbox.routing.expressions import tree
from signalbox.routing.expressions.functions import FUNCTIONS, REGEX, SCAN

MAX_NODES: Final = 500
MAX_DEPTH: Final = 24
MAX_COST: Final = 1000

_COSTS: Final = {SCAN: 5, REGEX: 20}
# Elements of a list that is no literal: its length is the client's.
_UNKNOWN_LENGTH: Final = 50


def children(node: tree.Node) -> Iterator[tree.Node]:
    """The nodes directly below."""
    match node:
        case tree.Header(name):
            yield name
        case tree.Call(_, nodes) | tree.Logic(_, nodes) | tree.ListLiteral(nodes):
            yield from nodes
        case tree.Conditional(test, then, otherwise):
            yield from (test, then, otherwise)
        case tree.MapLiteral(entries):
            for entry in entries:
                yield from entry
        case tree.Field(operand):
            yield operand
        case tree.Comprehension():
            yield from (n for n in (node.range, node.predicate, node.result) if n is not None)
        case _:
            return


def walk(node: tree.Node) -> Iterator[tree.Node]:
    """The node and all below it, in the order of the source."""
    yield node
    for child in children(node):
        yield from walk(child)


def depth(node: tree.Node) -> int:
    """Levels of nodes inside each other."""
    return 1 + max(map(depth, children(node)), default=0)


def estimate(node: tree.Node) -> int:
    """Units of work at worst: 1 a node, more for what reads a text; a macro counts once for each element."""
    own = 1
    if isinstance(node, tree.Call) and node.function in FUNCTIONS:
        own = _COSTS.get(FUNCTIONS[node.function].cost, 1)
    if isinstance(node, tree.Comprehension):
        times = len(node.range.elements) if isinstance(node.range, tree.ListLiteral) else _UNKNOWN_LENGTH
        body = sum(estimate(n) for n in (node.predicate, node.result) if n is not None)
        return own + estimate(node.range) + times * body
    return own + sum(map(estimate, children(node)))


def excess(node: tree.Node) -> str | None:
    """Why the expression is too big or too dear; ``None`` when it is neither."""
    nodes = sum(1 for _ in walk(node))
    if nodes > MAX_NODES:
        return f"the expression has {nodes} parts; at most {MAX_NODES} are allowed"
    if (levels := depth(node)) > MAX_DEPTH:
        return f"the expression is nested {levels} levels deep; at most {MAX_DEPTH} are allowed"
    if (units := estimate(node)) > MAX_COST:
        return f"the expression may cost {units} units of work for one request; at most {MAX_COST} are allowed"
    return None
