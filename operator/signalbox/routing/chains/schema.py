"""Whether a JSON value matches a JSON Schema: the keywords that structured outputs are made of.

A keyword that is not known here demands nothing. Schemas come from clients: all that grows with one is counted in
steps, of half a microsecond or so, and a value that is not found to match within their number does not match.
"""

from collections.abc import Callable
from typing import Any, Final

from signalbox.routing.regex import Pattern, PatternError

MAX_STEPS: Final = 100_000
MAX_DEPTH: Final = 100

_TYPES: Final[dict[str, Callable[[Any], bool]]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: (type(value) is int) or (type(value) is float and value.is_integer()),
}


class _TooMuch(Exception):  # noqa: N818 - of the schema
    """The bound on work."""


def matches(value: Any, schema: Any) -> bool:
    """Whether it does."""
    try:
        return _Matching(schema).of(value, schema, 0)
    except (_TooMuch, RecursionError):
        return False


class _Matching:
    """One value against one schema."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._steps = 0
        self._patterns: dict[str, Pattern | None] = {}

    def _spend(self, steps: int) -> None:
        self._steps += steps
        if self._steps > MAX_STEPS:
            raise _TooMuch

    def of(self, value: Any, schema: Any, depth: int) -> bool:
        self._spend(5)
        if depth > MAX_DEPTH:
            raise _TooMuch
        if schema is False:
            return False
        if not isinstance(schema, dict):
            return True
        return (
            self._types(value, schema)
            and ("const" not in schema or self._same(value, schema["const"]))
            and ("enum" not in schema or any(self._same(value, each) for each in _list(schema["enum"])))
            and self._combined(value, schema, depth + 1)
            and self._members(value, schema, depth + 1)
            and self._items(value, schema, depth + 1)
            and _bounded(value, schema)
            and self._fits(value, schema.get("pattern"))
        )

    def _types(self, value: Any, schema: dict[str, Any]) -> bool:
        named = schema.get("type")
        names = named if isinstance(named, list) else [named] if isinstance(named, str) else []
        self._spend(len(names))
        return not names or any(name in _TYPES and _TYPES[name](value) for name in names if isinstance(name, str))

    def _combined(self, value: Any, schema: dict[str, Any], depth: int) -> bool:
        reference = schema.get("$ref")
        return (
            (not isinstance(reference, str) or self.of(value, self._find(reference), depth))
            and all(self.of(value, each, depth) for each in _list(schema.get("allOf")))
            and ("anyOf" not in schema or any(self.of(value, each, depth) for each in _list(schema["anyOf"])))
            and ("oneOf" not in schema or sum(self.of(value, each, depth) for each in _list(schema["oneOf"])) == 1)
            and ("not" not in schema or not self.of(value, schema["not"], depth))
        )

    def _find(self, reference: str) -> Any:
        """What a reference inside the schema leads to; one that leads nowhere is matched by nothing."""
        self._spend(len(reference) // 4)
        found = self._root
        for part in reference.removeprefix("#").split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, dict) or name not in found:
                return False
            found = found[name]
        return found if reference.startswith("#") else False

    def _members(self, value: Any, schema: dict[str, Any], depth: int) -> bool:
        if not isinstance(value, dict):
            return True
        properties = schema.get("properties")
        properties = properties if isinstance(properties, dict) else {}
        required = _list(schema.get("required"))
        self._spend(len(required))
        if any(name not in value for name in required if isinstance(name, str)):
            return False
        rest = schema.get("additionalProperties", True)
        return all(self.of(each, properties.get(name, rest), depth) for name, each in value.items())

    def _items(self, value: Any, schema: dict[str, Any], depth: int) -> bool:
        if not isinstance(value, list):
            return True
        first = _list(schema.get("prefixItems"))
        rest = schema.get("items", True)
        return all(self.of(each, first[at] if at < len(first) else rest, depth) for at, each in enumerate(value))

    def _fits(self, value: Any, source: Any) -> bool:
        if not isinstance(value, str) or not isinstance(source, str):
            return True
        if source not in self._patterns:
            self._spend(2_000 + 20 * len(source))
            self._patterns[source] = _compiled(source)
        pattern = self._patterns[source]
        if pattern is None:
            return True
        self._spend(1 + len(value) * pattern.size // 256)
        return pattern.found_in(value.encode("utf-8", "surrogatepass"))

    def _same(self, one: Any, other: Any) -> bool:
        """Equal as JSON: 1 is 1.0 but not true."""
        self._spend(1)
        if isinstance(one, bool) or isinstance(other, bool):
            return one is other
        if isinstance(one, list) and isinstance(other, list):
            return len(one) == len(other) and all(map(self._same, one, other))
        if isinstance(one, dict) and isinstance(other, dict):
            return len(one) == len(other) and all(
                name in other and self._same(each, other[name]) for name, each in one.items()
            )
        if isinstance(one, str):
            self._spend(len(one) // 256)
        return bool(one == other)


def _bounded(value: Any, schema: dict[str, Any]) -> bool:
    if isinstance(value, str):
        return _sized(len(value), schema, "Length")
    if isinstance(value, list):
        return _sized(len(value), schema, "Items")
    if isinstance(value, dict):
        return _sized(len(value), schema, "Properties")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return True
    least, most = _number(schema.get("minimum")), _number(schema.get("maximum"))
    above, below = _number(schema.get("exclusiveMinimum")), _number(schema.get("exclusiveMaximum"))
    return (
        (least is None or value >= least)
        and (most is None or value <= most)
        and (above is None or value > above)
        and (below is None or value < below)
    )


def _sized(size: int, schema: dict[str, Any], of: str) -> bool:
    least, most = _number(schema.get(f"min{of}")), _number(schema.get(f"max{of}"))
    return (least is None or size >= least) and (most is None or size <= most)


def _compiled(source: str) -> Pattern | None:
    try:
        return Pattern(source, small=True)
    except PatternError:
        return None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
