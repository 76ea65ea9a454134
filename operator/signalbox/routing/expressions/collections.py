"""Lists and maps: equality, membership and access as CEL has them."""

from collections.abc import Sequence
from typing import Any

from signalbox.routing.expressions.values import EvaluationError


def same(left: Any, right: Any) -> bool:
    """Equality of lists, maps and doubles. Python's own takes one object for equal to itself, which NaN is not."""
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return len(left) == len(right) and all(k in right and same(v, right[k]) for k, v in left.items())
    return bool(left == right)


def different(left: Any, right: Any) -> bool:
    """The opposite of ``same``."""
    return not same(left, right)


def member(value: Any, elements: Sequence[Any]) -> bool:
    """``value in elements`` by ``same``."""
    return any(same(value, element) for element in elements)


def element(elements: Sequence[Any], index: int) -> Any:
    """``elements[index]``; negative positions are out of range."""
    if 0 <= index < len(elements):
        return elements[index]
    raise EvaluationError(f"index {index} is outside of a list of {len(elements)}")


def value_of(entries: dict[Any, Any], key: Any) -> Any:
    """``entries[key]``."""
    try:
        return entries[key]
    except KeyError:
        raise EvaluationError(f"key not found in map: {key!r}") from None


def map_of(*items: Any) -> dict[Any, Any]:
    """A map from keys and values in turn; a key may come once."""
    found = dict(zip(items[::2], items[1::2], strict=True))
    if len(found) * 2 != len(items):
        raise EvaluationError("duplicate key in map")
    return found
