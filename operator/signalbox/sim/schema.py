"""JSON that satisfies a JSON schema, for tool arguments and structured answers."""

import random
from typing import Any

import msgspec

DEPTH = 12
"""Schemas may refer to themselves; below this depth only required members are made, and lists are empty."""


def example(schema: dict[str, Any], rng: random.Random) -> str:
    """A JSON text valid for ``schema`` (types, enum, const, required, items, bounds, anyOf, allOf, local $ref)."""
    return msgspec.json.encode(_value(schema, schema, rng, 0)).decode()


def _value(schema: Any, root: dict[str, Any], rng: random.Random, depth: int) -> Any:
    if not isinstance(schema, dict):
        return {}
    if isinstance(schema.get("$ref"), str):
        return _value(_resolve(schema["$ref"], root), root, rng, depth + 1)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return rng.choice(schema["enum"])
    for union in ("anyOf", "oneOf"):
        if schema.get(union):
            return _value(schema[union][-1 if depth > DEPTH else 0], root, rng, depth + 1)
    if schema.get("allOf"):
        merged: dict[str, Any] = {}
        for part in schema["allOf"]:
            made = _value(part, root, rng, depth + 1)
            merged.update(made if isinstance(made, dict) else {})
        return merged
    kind = schema.get("type", "object" if "properties" in schema else "array" if "items" in schema else "object")
    kind = kind[0] if isinstance(kind, list) else kind
    return _MAKERS.get(kind, _null)(schema, root, rng, depth)


def _object(schema: dict[str, Any], root: dict[str, Any], rng: random.Random, depth: int) -> dict[str, Any]:
    properties = schema.get("properties", {})
    required = set(schema.get("required", ()))
    return {
        name: _value(part, root, rng, depth + 1)
        for name, part in properties.items()
        if name in required or depth < DEPTH // 4
    }


def _array(schema: dict[str, Any], root: dict[str, Any], rng: random.Random, depth: int) -> list[Any]:
    count = max(int(schema.get("minItems", 0)), 0 if depth > DEPTH else min(2, int(schema.get("maxItems", 2))))
    return [_value(schema.get("items", {"type": "string"}), root, rng, depth + 1) for _ in range(count)]


def _string(schema: dict[str, Any], root: dict[str, Any], rng: random.Random, depth: int) -> str:
    formats = {"date": "1865-06-09", "date-time": "1865-06-09T15:11:00Z", "email": "box@example.com"}
    text: str = formats.get(schema.get("format", ""), rng.choice(("signal", "junction", "platform")))
    low, high = int(schema.get("minLength", 0)), int(schema.get("maxLength", 1 << 16))
    return text.ljust(low, "-")[:high]


def _integer(schema: dict[str, Any], root: dict[str, Any], rng: random.Random, depth: int) -> int:
    low = int(schema.get("minimum", schema.get("exclusiveMinimum", 0) + ("exclusiveMinimum" in schema)))
    high = int(schema.get("maximum", schema.get("exclusiveMaximum", low + 101) - 1))
    step = int(schema.get("multipleOf", 1))
    return -(-low // step) * step if step > 1 else rng.randint(low, max(low, high))


def _number(schema: dict[str, Any], root: dict[str, Any], rng: random.Random, depth: int) -> float:
    low = float(schema.get("minimum", schema.get("exclusiveMinimum", 0.0)))
    high = float(schema.get("maximum", schema.get("exclusiveMaximum", low + 1.0)))
    return round(low + (high - low) / 2, 6)


def _boolean(schema: dict[str, Any], root: dict[str, Any], rng: random.Random, depth: int) -> bool:
    return rng.random() < 0.5


def _null(schema: dict[str, Any], root: dict[str, Any], rng: random.Random, depth: int) -> None:
    return None


_MAKERS = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "null": _null,
}


def _resolve(reference: str, root: dict[str, Any]) -> Any:
    """Follow ``#/$defs/Name``; what does not resolve allows anything."""
    place: Any = root
    for part in reference.removeprefix("#").split("/"):
        if part:
            place = place.get(part.replace("~1", "/").replace("~0", "~"), {}) if isinstance(place, dict) else {}
    return place
