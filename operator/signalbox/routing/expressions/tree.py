"""The checked tree of a condition, as data.

``plan`` writes it from the output of the official CEL checker; the router builds Python from a whitelist of its nodes.
Every node has one static type, which the checker has proven: the function names of calls say which overload is meant,
so that evaluation never looks at types.
"""

from typing import Literal, TypeAlias

import msgspec


class TreeStruct(msgspec.Struct, frozen=True, omit_defaults=True):
    """Common options of nodes."""


class Constant(TreeStruct, frozen=True, tag="constant"):
    """A literal. Unsigned numbers are ints here: the functions that take them know the difference."""

    value: bool | int | float | str | None


class BytesConstant(TreeStruct, frozen=True, tag="bytes"):
    """A literal of type bytes."""

    value: bytes


class Variable(TreeStruct, frozen=True, tag="variable"):
    """A fact of the request or of the system, by its dotted path: ``query.chars``, ``targets.small.inFlight``."""

    path: str


class Present(TreeStruct, frozen=True, tag="present"):
    """``has(PATH)`` of a variable that may be absent."""

    path: str


class Header(TreeStruct, frozen=True, tag="header"):
    """``request.header(NAME)``."""

    name: "Node"


class Local(TreeStruct, frozen=True, tag="local"):
    """The variable of the comprehension around."""

    name: str


class Call(TreeStruct, frozen=True, tag="call"):
    """A strict function: all arguments are evaluated, one that fails makes it fail. Named by CEL's overload."""

    function: str
    arguments: tuple["Node", ...]


class Logic(TreeStruct, frozen=True, tag="logic"):
    """``&&`` and ``||`` over two or more operands; one that decides absorbs errors and unknowns of the others."""

    operator: Literal["and", "or"]
    operands: tuple["Node", ...]


class Conditional(TreeStruct, frozen=True, tag="conditional"):
    """``test ? then : otherwise``; only the branch taken is evaluated."""

    test: "Node"
    then: "Node"
    otherwise: "Node"


class ListLiteral(TreeStruct, frozen=True, tag="list"):
    """``[a, b]``."""

    elements: tuple["Node", ...]


class MapLiteral(TreeStruct, frozen=True, tag="map"):
    """``{key: value}``."""

    entries: tuple[tuple["Node", "Node"], ...]


class Field(TreeStruct, frozen=True, tag="field"):
    """``MAP.name``; ``test`` makes it ``has(MAP.name)``."""

    operand: "Node"
    name: str
    test: bool = False


class Comprehension(TreeStruct, frozen=True, tag="comprehension"):
    """A macro over a list, or over the keys of a map: ``range.all(variable, predicate)`` and its kin.

    ``result`` is what ``map`` makes of an element; its ``predicate`` is absent in the form without a filter.
    """

    macro: Literal["all", "exists", "exists_one", "filter", "map"]
    variable: str
    range: "Node"
    predicate: "Node | None" = None
    result: "Node | None" = None


Node: TypeAlias = (
    Constant
    | BytesConstant
    | Variable
    | Present
    | Header
    | Local
    | Call
    | Logic
    | Conditional
    | ListLiteral
    | MapLiteral
    | Field
    | Comprehension
)


class Condition(TreeStruct, frozen=True):
    """An expression of type bool: its source, for people, and its checked tree, for the router."""

    source: str
    tree: Node
