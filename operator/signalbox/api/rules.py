"""Rules in CEL, written once: they travel in the CRDs, and official CEL evaluates them here where no API server does.

A rule stands on a model (``rules``) or in ``Annotated[...]`` on a scalar, a list or a map. As in the API server,
``self`` is the value with its defaults, and a rule is evaluated only if the value has the right shape.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from cel_expr_python import cel
from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

# Not FieldValueDuplicate: with that one the API server says "Duplicate value" and leaves out the rule's message.
Reason = Literal["FieldValueInvalid", "FieldValueRequired", "FieldValueForbidden"]


@dataclass(frozen=True)
class Rule:
    """A condition that a valid value meets, and what to tell whoever wrote a value that does not.

    ``field`` is the field of the value to blame (empty: the value itself), ``message`` names the fix. ``twin`` is the
    same condition in Python, for a rule that can take more than the 10,000 steps after which CEL gives up here.
    ``says`` is the message for one value, where it can be more exact than words that must fit all.
    """

    cel: str
    message: str
    field: str = ""
    reason: Reason = "FieldValueInvalid"
    twin: Callable[[Any], bool] | None = None
    says: Callable[[Any], str] | None = None

    def holds(self, value: Any) -> bool:
        """Whether ``value`` (as in JSON) meets the rule; an expression that errors counts as not met."""
        if self.twin is not None:
            return self.twin(value)
        try:
            return compiled(self.cel).eval(data={"self": value}).value() is True
        except RuntimeError:
            return False

    @property
    def location(self) -> tuple[str, ...]:
        """Path of the field to blame, from the value."""
        return tuple(self.field.split(".")) if self.field else ()

    def schema(self) -> dict[str, str]:
        """The rule as an entry of ``x-kubernetes-validations``."""
        entry = {"rule": self.cel, "message": self.message}
        if self.field:
            entry["fieldPath"] = f".{self.field}"
        if self.reason != "FieldValueInvalid":
            entry["reason"] = self.reason
        return entry


@cache
def environment() -> cel.Env:
    """The part of the API server's CEL environment that the rules use: the standard library and strings."""
    config = cel.NewEnvConfigFromYaml("extensions: [{name: strings}]")
    return cel.NewEnv(config=config, variables={"self": cel.Type.DYN})


@cache
def compiled(source: str) -> cel.Expression:
    """Compile a rule once for the life of the process."""
    return environment().compile(source)


def cel_list(words: Iterable[str]) -> str:
    """The words as a list literal of CEL."""
    return f"[{', '.join(repr(word) for word in words)}]"


def plain(value: Any) -> Any:
    """A value as the API server would see it: JSON types, camelCase names, defaults filled in, absent fields absent."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_none=True)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, str):
        return str(value)
    return value


def check(rules: Iterable[Rule], value: Any, title: str) -> None:
    """Raise a ``ValidationError`` with one error for each rule that does not hold."""
    seen = plain(value)
    failed = [rule for rule in rules if not rule.holds(seen)]
    if failed:
        raise refusal(
            title, [(rule.location, rule.says(seen) if rule.says else rule.message) for rule in failed], value
        )


def refusal(title: str, errors: Iterable[tuple[tuple[str | int, ...], str]], value: Any) -> ValidationError:
    """A ``ValidationError`` with these locations (relative to the value) and messages."""
    details = [
        InitErrorDetails(type=PydanticCustomError("rule", "{message}", {"message": text}), loc=loc, input=value)
        for loc, text in errors
    ]
    return ValidationError.from_exception_data(title, details)


@dataclass(frozen=True)
class Annotation:
    """Base of what ``Annotated[...]`` takes here: a check after pydantic's own, and entries of the schema."""

    def check(self, value: Any) -> None:
        """Raise ``ValidationError`` for a value that is not valid."""

    def entries(self) -> dict[str, Any]:
        """What to add to the JSON schema."""
        return {}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._passed, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        result = handler(schema)
        for key, entry in self.entries().items():
            earlier = result.get(key)
            result[key] = [*earlier, *entry] if isinstance(earlier, list) else entry
        return result

    def _passed(self, value: Any) -> Any:
        self.check(value)
        return value


@dataclass(frozen=True, init=False)
class Rules(Annotation):
    """``Annotated[str, Rules(Rule(...), ...)]``."""

    rules: tuple[Rule, ...]

    def __init__(self, *rules: Rule) -> None:
        object.__setattr__(self, "rules", rules)

    def check(self, value: Any) -> None:
        check(self.rules, value, "value")

    def entries(self) -> dict[str, Any]:
        return {"x-kubernetes-validations": [rule.schema() for rule in self.rules]}


@dataclass(frozen=True)
class ListOf(Annotation):
    """How the API server merges a list: ``atomic`` as a whole, ``set`` by value, ``map`` by the field ``key``.

    The items of a set and the keys of a map are unique.
    """

    kind: Literal["atomic", "set", "map"]
    key: str = "name"

    def check(self, value: Any) -> None:
        if self.kind == "atomic":
            return
        identity: Callable[[Any], Any] = (lambda i: getattr(i, self.key)) if self.kind == "map" else str
        seen: dict[Any, int] = {}
        errors: list[tuple[tuple[str | int, ...], str]] = []
        for index, item in enumerate(value):
            first = seen.setdefault(identity(item), index)
            if first != index:
                where = (index, self.key) if self.kind == "map" else (index,)
                errors.append((where, f'"{identity(item)}" is there twice (also item {first}): remove or rename one'))
        if errors:
            raise refusal("list", errors, value)

    def entries(self) -> dict[str, Any]:
        keys = {"x-kubernetes-list-map-keys": [self.key]} if self.kind == "map" else {}
        return {"x-kubernetes-list-type": self.kind} | keys


@dataclass(frozen=True)
class Schema(Annotation):
    """Entries of the JSON schema without a check of their own."""

    added: tuple[tuple[str, Any], ...]

    def entries(self) -> dict[str, Any]:
        return dict(self.added)
