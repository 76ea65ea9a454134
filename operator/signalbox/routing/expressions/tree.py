"""The checked tree of a condition, as data.

``plan`` writes it from the output of the official CEL checker; the router builds Python from a whitelist of its nodes.
"""

import msgspec


class TreeStruct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Common options of nodes."""


class Constant(TreeStruct, tag="constant"):
    """A literal."""

    value: bool | int | float | str | None


Node = Constant


class Condition(TreeStruct):
    """An expression of type bool: its source, for people, and its checked tree, for the router."""

    source: str
    tree: Node
