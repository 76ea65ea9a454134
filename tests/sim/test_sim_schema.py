"""JSON made for a schema."""

import json
import random
from typing import Any

import pytest

from signalbox.sim.schema import example


@pytest.mark.parametrize(
    ("schema", "check"),
    [
        ({"type": "integer", "minimum": 3, "maximum": 4}, lambda v: v in {3, 4}),
        ({"type": "integer", "multipleOf": 5, "minimum": 7}, lambda v: v == 10),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 3}, lambda v: len(v) == 3),
        ({"enum": ["a", "b"]}, lambda v: v in {"a", "b"}),
        ({"const": 7}, lambda v: v == 7),
        ({"type": ["null", "string"]}, lambda v: v is None),
        ({"type": "string", "minLength": 40}, lambda v: len(v) == 40),
        ({"anyOf": [{"type": "number", "minimum": 1, "maximum": 2}]}, lambda v: 1 <= v <= 2),
        ({}, lambda v: v == {}),
    ],
)
def test_values_satisfy_their_schema(schema: dict[str, Any], check: Any) -> None:
    assert check(json.loads(example(schema, random.Random(3))))


def test_a_schema_that_refers_to_itself_ends() -> None:
    node = {
        "type": "object",
        "properties": {"next": {"$ref": "#/$defs/node"}, "id": {"type": "string"}},
        "required": ["id"],
    }
    made = json.loads(example({"$ref": "#/$defs/node", "$defs": {"node": node}}, random.Random(3)))
    assert isinstance(made["id"], str)
