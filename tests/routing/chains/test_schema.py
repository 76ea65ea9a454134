"""Whether values match JSON Schemas, judged beside the library that the tests have."""

from typing import Any

import pytest

from signalbox.routing.chains import schema as module
from signalbox.routing.chains.schema import MAX_STEPS, matches
from signalbox.routing.regex import Pattern

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
        ([1], {"const": [True]}, False),
        ({"a": [0]}, {"enum": [{"a": [False]}, {"a": [0.0]}]}, True),
        ({"a": 1}, {"const": {"b": 1}}, False),
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


def all_of(count: int, each: dict[str, Any]) -> dict[str, Any]:
    """A schema that demands the same so many times."""
    return {"$defs": {"each": each}, "allOf": [{"$ref": "#/$defs/each"}] * count}


@pytest.mark.parametrize(
    ("value", "each"),
    [
        (1, {"enum": [0] * 999 + [1]}),
        ([0] * 999, {"const": [0] * 999}),
        ({str(number): 0 for number in range(999)}, {"const": {str(number): 0 for number in range(999)}}),
        ("a" * 999_000, {"const": "a" * 998_999 + "a"}),
        ({"a": 1}, {"required": ["a"] * 999}),
        (1, {"type": ["string"] * 999 + ["integer"]}),
        (1, {"k" * 4_000: True, "$ref": "#/$defs/each/" + "k" * 4_000}),
        ("a" * 99_900, {"pattern": "b|a$"}),
    ],
)
def test_all_that_grows_with_a_schema_is_counted(value: Any, each: dict[str, Any]) -> None:
    assert matches(value, all_of(1, each))
    assert not matches(value, all_of(200, each))


def test_patterns_are_compiled_once_and_not_by_the_thousand(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []

    def counting(source: str, **options: Any) -> Pattern:
        compiled.append(source)
        return Pattern(source, **options)

    monkeypatch.setattr(module, "Pattern", counting)
    assert matches(["a"] * 1_000, {"items": {"pattern": "^a$"}})
    assert compiled == ["^a$"]
    assert not matches("a", {"allOf": [{"pattern": f"^a{{0,{number}}}$"} for number in range(1, 1_000)]})
    assert len(compiled) <= 1 + MAX_STEPS // 2_000
