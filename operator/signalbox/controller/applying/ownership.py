"""What the API server noted about who says what: ``managedFields``, read as a tree.

A node holds ``f:NAME`` for a field, ``k:{...}`` for the item of a list that has these keys, ``v:...`` for a value of a
set. One without children is owned as a whole.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

Fields = Mapping[str, Any]


def fields_of(live: Mapping[str, Any], manager: str) -> Fields | None:
    """What a manager has applied of an object; None where it has applied nothing."""
    for entry in live.get("metadata", {}).get("managedFields") or ():
        if entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource"):
            found: Fields = entry.get("fieldsV1") or {}
            return found
    return None


def keyed(fields: Fields) -> Fields:
    """What is owned of the items of a list that have keys; of such a list several may each own some."""
    return {name: below for name, below in fields.items() if name.startswith("k:")}


def item_of(items: Sequence[Any], name: str) -> int | None:
    """The position of the item that ``k:{...}`` means. A key that an item leaves out has its default there."""
    keys: Mapping[str, Any] = json.loads(name.removeprefix("k:"))
    for position, item in enumerate(items):
        if isinstance(item, Mapping) and all(item.get(key, value) == value for key, value in keys.items()):
            return position
    return None


def surplus(fields: Fields, wanted: Any) -> bool:
    """Whether something is owned that is not wanted, or no longer."""
    for name, below in fields.items():
        kind, _, rest = name.partition(":")
        if kind == "f":
            if not isinstance(wanted, Mapping) or rest not in wanted or surplus(below, wanted[rest]):
                return True
        elif kind == "k":
            position = item_of(wanted, name) if isinstance(wanted, Sequence) else None
            if position is None or surplus(below, wanted[position]):
                return True
        elif kind == "v" and (not isinstance(wanted, Sequence) or json.loads(rest) not in wanted):
            return True
    return False
