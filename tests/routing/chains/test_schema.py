"""Whether values match JSON Schemas, judged beside the library that the tests have."""

from typing import Any

import pytest

from signalbox.routing.chains.schema import matches

PERSON = {"$defs": {"name": {"type": "string", "minLength": 1}}, "type": "object",
          "properties": {"name": {"$ref": "#/$defs/name"}, "friends": {"type": "array", "items": {"$ref": "#"}}},
          "required": ["name"]}  # fmt: skip


@pytest.mark.parametrize(
    ("value", "schema", "expected"),
    [
        ({"name": "a", "friends": [{"name": "b"}]}, PERSON, True),
        ({"name": "a", "friends": [{"name": ""}]}, PERSON, False),
        (1, {"type": ["string", "integer"]}, True),
        (1.0, {"type": "integer"}, True),
        (True, {"type": "integer"}, False),
        (True, {"const": 1}, False),
        (1, {"enum": [1.0, "a"]}, True),
        ("b", {"enum": [1, "a"]}, False),
        (5, {"anyOf": [{"type": "string"}, {"minimum": 5}]}, True),
        (5, {"oneOf": [{"type": "integer"}, {"minimum": 5}]}, False),
        (5, {"allOf": [{"type": "integer"}, {"exclusiveMaximum": 5}]}, False),
        (5, {"not": {"type": "integer"}}, False),
        ([1, "a", "b"], {"prefixItems": [{"type": "integer"}], "items": {"type": "string"}}, True),
        ([1], {"minItems": 2}, False),
        ("ab", {"pattern": "^a.$"}, True),
        ("ba", {"pattern": "^a.$"}, False),
        ("x", {"pattern": "("}, True),
        ({"a": 1}, {"additionalProperties": {"type": "string"}}, False),
        ({"a": 1}, {"maxProperties": 0}, False),
        (1, {"$ref": "#/nowhere"}, False),
        (1, {"$ref": "https://example.com/schema"}, False),
        (1, False, False),
        (1, None, True),
        (1, {"type": 7, "enum": None, "properties": []}, False),
    ],
)
def test_matching(value: Any, schema: Any, expected: bool) -> None:
    assert matches(value, schema) is expected


def test_a_schema_that_never_ends_is_not_matched() -> None:
    assert not matches(1, {"$ref": "#"})
    bomb: dict[str, Any] = {"anyOf": [{"$ref": "#/a"}, {"$ref": "#/a"}], "type": "string"}
    assert not matches(1, {"a": {"allOf": [{"anyOf": [{"$ref": "#"}] * 50}]}, **bomb, "type": "integer"})
