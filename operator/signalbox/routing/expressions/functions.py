"""The functions of the standard library, by the names that CEL gives their overloads.

A function is a template of Python source over its (parenthesised) arguments, or a Python function. *Total* ones give a
value for all arguments of their types; the others may raise ``EvaluationError``. ``cost`` orders the operands of
``&&`` and ``||``: cheap ones first.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from signalbox.routing.expressions import collections, numbers, strings, text
from signalbox.routing.expressions.values import EvaluationError
from signalbox.routing.regex import Pattern, PatternError

CHEAP: Final = 0
SCAN: Final = 1
REGEX: Final = 2


class Function(msgspec.Struct, frozen=True):
    """How to call one overload: by ``template``, or else by ``python``."""

    template: str = ""
    python: Callable[..., Any] | None = None
    total: bool = True
    cost: int = CHEAP


def _total(python: Callable[..., Any], cost: int = SCAN) -> Function:
    return Function(python=python, cost=cost)


def _partial(python: Callable[..., Any], cost: int = CHEAP) -> Function:
    return Function(python=python, total=False, cost=cost)


def matches(subject: str, pattern: str) -> bool:
    """A pattern that is no literal: compiled at every call."""
    try:
        return Pattern(pattern).found_in(subject.encode())
    except PatternError as error:
        raise EvaluationError(f"invalid regular expression: {error}") from None


def bytes_to_string(value: bytes) -> str:
    """Bytes that are UTF-8."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise EvaluationError("malformed UTF-8 bytes") from None


def _operators() -> dict[str, Function]:
    table = {
        "equals": Function("({} == {})"),
        "not_equals": Function("({} != {})"),
        "equals_deep": _total(collections.same),
        "not_equals_deep": _total(collections.different),
        "logical_not": Function("(not {})"),
        "negate_int64": Function("in_int64(-{})", total=False),
        "negate_double": Function("(-{})"),
        "divide_int64": _partial(numbers.divide_int),
        "modulo_int64": _partial(numbers.modulo_int),
        "divide_uint64": _partial(numbers.divide_uint),
        "modulo_uint64": _partial(numbers.modulo_uint),
        "divide_double": Function(python=numbers.divide_double),
    }
    symbols = {"less": "<", "less_equals": "<=", "greater": ">", "greater_equals": ">="}
    for name, symbol in symbols.items():
        for kind in ("bool", "int64", "uint64", "double", "string", "bytes"):
            table[f"{name}_{kind}"] = Function(f"({{}} {symbol} {{}})")
    for name, symbol in {"add": "+", "subtract": "-", "multiply": "*"}.items():
        table[f"{name}_int64"] = Function(f"in_int64({{}} {symbol} {{}})", total=False)
        table[f"{name}_uint64"] = Function(f"in_uint64({{}} {symbol} {{}})", total=False)
        table[f"{name}_double"] = Function(f"({{}} {symbol} {{}})")
    for kind in ("string", "bytes", "list"):
        table[f"add_{kind}"] = Function("({} + {})")
    return table


def _aggregates() -> dict[str, Function]:
    table = {
        "in_list": Function("({} in {})"),
        "in_list_deep": _total(collections.member),
        "in_map": Function("({} in {})"),
        "index_list": _partial(collections.element),
        "index_map": _partial(collections.value_of),
    }
    for kind in ("string", "bytes", "list", "map"):
        table[f"size_{kind}"] = table[f"{kind}_size"] = Function("len({})")
    return table


def _conversions() -> dict[str, Function]:
    same = Function("{}")
    table = {f"{kind}_to_{kind}": same for kind in ("int64", "uint64", "double", "string", "bool", "bytes")}
    return table | {
        "uint64_to_int64": _partial(numbers.uint_to_int),
        "double_to_int64": _partial(numbers.double_to_int),
        "string_to_int64": _partial(numbers.string_to_int),
        "int64_to_uint64": _partial(numbers.int_to_uint),
        "double_to_uint64": _partial(numbers.double_to_uint),
        "string_to_uint64": _partial(numbers.string_to_uint),
        "int64_to_double": Function("float({})"),
        "uint64_to_double": Function("float({})"),
        "string_to_double": _partial(numbers.string_to_double),
        "int64_to_string": Function("str({})"),
        "uint64_to_string": Function("str({})"),
        "double_to_string": Function(python=numbers.double_to_string),
        "bool_to_string": Function('("true" if {} else "false")'),
        "bytes_to_string": _partial(bytes_to_string),
        "string_to_bytes": Function("{}.encode()"),
        "string_to_bool": _partial(numbers.string_to_bool),
    }


def _strings() -> dict[str, Function]:
    table = {
        "contains_string": Function("({1} in {0})", cost=SCAN),
        "starts_with_string": Function("{}.startswith({})"),
        "ends_with_string": Function("{}.endswith({})"),
        "string_char_at_int": _partial(strings.char_at),
        "string_index_of_string": _total(strings.index_of),
        "string_index_of_string_int": _partial(strings.index_of, SCAN),
        "string_last_index_of_string": _total(strings.last_index_of),
        "string_last_index_of_string_int": _partial(strings.last_index_of, SCAN),
        "string_lower_ascii": _total(strings.lower_ascii),
        "string_upper_ascii": _total(strings.upper_ascii),
        "string_replace_string_string": Function("{}.replace({}, {})", cost=SCAN),
        "string_replace_string_string_int": Function("{}.replace({}, {}, {})", cost=SCAN),
        "string_split_string": _total(strings.split),
        "string_split_string_int": _total(strings.split),
        "string_substring_int": _partial(strings.substring),
        "string_substring_int_int": _partial(strings.substring),
        "string_trim": _total(strings.trim),
        "string_reverse": _total(strings.reverse),
        "strings_quote": _total(strings.quote),
        "list_join": _total(strings.join),
        "list_join_string": _total(strings.join),
        "string_words": _total(text.words),
        "string_contains_word": _total(text.contains_word),
        "matches": _partial(matches, REGEX),
    }
    return table | {"matches_string": table["matches"]}


FUNCTIONS: Final[dict[str, Function]] = {**_operators(), **_aggregates(), **_conversions(), **_strings()}

# What templates may name.
HELPERS: Final[dict[str, Any]] = {
    "len": len,
    "str": str,
    "float": float,
    "in_int64": numbers.in_int64,
    "in_uint64": numbers.in_uint64,
}
