"""Scalars and references that both kinds use."""

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from signalbox.api.base import ApiModel
from signalbox.api.rules import Rule, Rules, cel_list

RESERVED = (
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
)
"""Words that CEL keeps for itself; conditions refer to targets by name."""

DURATION = "^([0-9]{1,6}(h|m|s|ms))+$"
MONEY = r"^(0|[1-9][0-9]{0,6})([.][0-9]{1,6})?$"
_MILLISECONDS = {"h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}


class _Text(str):
    """A string that knows what it means; strict mode would not take the subclass by itself."""

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.str_schema(strict=True)
        return core_schema.no_info_after_validator_function(
            cls, text, serialization=core_schema.plain_serializer_function_ser_schema(str, return_schema=text)
        )


class Duration(_Text):
    """A length of time such as ``500ms``, ``5s`` or ``1h30m``."""

    __slots__ = ()

    @property
    def milliseconds(self) -> int:
        """The length in milliseconds."""
        parts: list[tuple[str, str]] = re.findall(r"(\d+)(ms|[hms])", self)
        return sum(int(number) * _MILLISECONDS[unit] for number, unit in parts)


class Money(_Text):
    """An amount in the currency that all prices share, as a decimal string: exact, never a float."""

    __slots__ = ()

    @property
    def decimal(self) -> Decimal:
        """The exact amount."""
        return Decimal(str(self))


def duration_rules(least: str, most: str) -> Rules:
    """A duration within bounds, both included."""
    return Rules(
        Rule(
            f"self.matches('{DURATION}') && "
            f"duration(self) >= duration('{least}') && duration(self) <= duration('{most}')",
            f"must be a duration from {least} to {most}, such as 500ms, 5s or 1m30s",
        )
    )


Price = Annotated[
    Money,
    Field(min_length=1, max_length=14),
    Rules(
        Rule(f"self.matches('{MONEY}')", 'must be a decimal number in quotes with at most 6 decimals, such as "0.05"')
    ),
]

SignalName = Annotated[
    str,
    Field(min_length=1, max_length=63),
    Rules(
        Rule(
            "self.matches('^[a-z][a-z0-9_]*$')",
            "must start with a lower-case letter and go on with lower-case letters, digits or _ "
            "(conditions use it as a name)",
        ),
        Rule(
            f"!(self in {cel_list(RESERVED)})",
            f"is a word that CEL keeps for itself ({', '.join(RESERVED)}): choose another name",
        ),
    ),
]
"""Name of a target or a route: it can stand in a CEL expression."""

TargetName = Annotated[str, Field(min_length=1, max_length=63)]
"""A reference to a target by name; the planner says whether it exists."""

ObjectName = Annotated[
    str,
    Field(min_length=1, max_length=253),
    Rules(
        Rule(
            "self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')",
            "must be the name of an object: lower-case letters, digits, dashes and dots",
        )
    ),
]

LabelName = Annotated[
    str,
    Field(min_length=1, max_length=63),
    Rules(
        Rule(
            "self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')",
            "must be lower-case letters, digits and -, with a letter or digit at both ends",
        )
    ),
]

DataKey = Annotated[
    str,
    Field(min_length=1, max_length=253),
    Rules(
        Rule(
            "self.matches('^[A-Za-z0-9._-]+$')",
            "must be a key of a Secret or ConfigMap: letters, digits, dots, dashes and _",
        )
    ),
]

ModelName = Annotated[
    str,
    Field(min_length=1, max_length=256),
    Rules(
        Rule(
            "self.matches('^[^[:cntrl:][:space:]]([^[:cntrl:]]*[^[:cntrl:][:space:]])?$')",
            "must not start or end with a space nor contain control characters",
        )
    ),
]


class NameRef(ApiModel):
    """An object of the same namespace."""

    name: ObjectName
    """Name of the object, in the namespace of this one."""


class SecretKeyRef(ApiModel):
    """One entry of a Secret of the same namespace."""

    name: ObjectName
    """Name of the Secret."""
    key: DataKey
    """Which of its entries. Surrounding white space is cut off its value."""


class ConfigMapKeyRef(ApiModel):
    """One entry of a ConfigMap of the same namespace."""

    name: ObjectName
    """Name of the ConfigMap."""
    key: DataKey = "ca.crt"
    """Which of its entries."""


class _IntOrString:
    """One type in the schema and one place in an error, where Kubernetes takes a number or a text."""

    def __init__(self, rule: Rule, most: int) -> None:
        self._rule, self._most = rule, most

    def _read(self, value: Any) -> int | str:
        known = isinstance(value, int | str) and not isinstance(value, bool)
        if not known or len(str(value)) > self._most or not self._rule.holds(value):
            raise PydanticCustomError("rule", "{message}", {"message": self._rule.message})
        return value  # type: ignore[no-any-return]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            "maxLength": self._most,
            "x-kubernetes-validations": [self._rule.schema()],
        }


Quantity = Annotated[
    int | str,
    _IntOrString(
        Rule(
            "type(self) == int ? self >= 0 : self.matches('^[0-9]+([.][0-9]+)?([eE][0-9]+|[numkMGTPE]|[KMGTPE]i)?$')",
            "must be an amount such as 500m, 2 or 256Mi",
        ),
        most=32,
    ),
]
"""An amount of CPU, memory or the like, as Kubernetes writes it: the API server of the cluster has the last word."""

Port = Annotated[
    int | str,
    _IntOrString(
        Rule(
            "type(self) == int ? self >= 1 && self <= 65535 : "
            "self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$') && self.matches('[a-z]') && !self.contains('--')",
            "must be a number from 1 to 65535 (without quotes) or the name of a port of the Service",
        ),
        most=15,
    ),
]
