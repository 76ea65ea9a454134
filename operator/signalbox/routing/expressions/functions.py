"""The functions of the standard library, by the names that CEL gives their overloads.

A function is a template of Python source over its (parenthesised) arguments, or a Python function. *Total* ones give a
value for all arguments of their types; the others may raise ``EvaluationError``. ``cost`` orders the operands of
``&&`` and ``||``: cheap ones first.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from signalbox.routing.expressions.values import EvaluationError
from signalbox.routing.regex import Pattern, PatternError

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**63 - 1

CHEAP: Final = 0
SCAN: Final = 1
REGEX: Final = 2


class Function(msgspec.Struct, frozen=True):
    """How to call one overload: by ``template``, or else by ``python``."""

    template: str = ""
    python: Callable[..., Any] | None = None
    total: bool = True
    cost: int = CHEAP


def int_in_range(value: int) -> int:
    """The result of an addition, subtraction or multiplication of ints."""
    if INT_MIN <= value <= INT_MAX:
        return value
    raise EvaluationError("integer overflow")


def matches(text: str, pattern: str) -> bool:
    """A pattern that is no literal: compiled at every call."""
    try:
        return Pattern(pattern).found_in(text.encode("utf-8", "surrogatepass"))
    except PatternError as error:
        raise EvaluationError(f"invalid regular expression: {error}") from None


def _operators() -> dict[str, Function]:
    table: dict[str, Function] = {"equals": Function("({} == {})"), "not_equals": Function("({} != {})")}
    symbols = {"less": "<", "less_equals": "<=", "greater": ">", "greater_equals": ">="}
    for name, symbol in symbols.items():
        for kind in ("bool", "int64", "uint64", "double", "string", "bytes"):
            table[f"{name}_{kind}"] = Function(f"({{}} {symbol} {{}})")
    for name, symbol in {"add": "+", "subtract": "-", "multiply": "*"}.items():
        table[f"{name}_int64"] = Function(f"int_in_range({{}} {symbol} {{}})", total=False)
    return table


FUNCTIONS: Final[dict[str, Function]] = {
    **_operators(),
    "logical_not": Function("(not {})"),
    "add_string": Function("({} + {})"),
    "size_string": Function("len({})"),
    "string_size": Function("len({})"),
    "contains_string": Function("({1} in {0})", cost=SCAN),
    "starts_with_string": Function("{}.startswith({})"),
    "ends_with_string": Function("{}.endswith({})"),
    "in_list": Function("({} in {})"),
    "matches": Function(python=matches, total=False, cost=REGEX),
}

# What templates may name.
HELPERS: Final[dict[str, Any]] = {"len": len, "int_in_range": int_in_range}
