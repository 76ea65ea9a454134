"""Arithmetic and conversions of CEL: 64-bit ints that overflow with an error, doubles as IEEE 754 has them."""

import math
import re
from decimal import Decimal
from typing import Final

from signalbox.routing.expressions.values import EvaluationError

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**63 - 1
UINT_MAX: Final = 2**64 - 1

_SPACE: Final = " \t\n\v\f\r"
_INT: Final = re.compile(r"[+-]?[0-9]+")
_UINT: Final = re.compile(r"\+?[0-9]+")
_DOUBLE: Final = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf|infinity|nan)", re.IGNORECASE)
_HEX: Final = re.compile(r"[+-]?0x(?:[0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)(?:p[+-]?[0-9]+)?", re.IGNORECASE)
# More digits than any number in range has: Python would take quadratic time over them.
_MAX_DIGITS: Final = 400
_BOOLS: Final = {
    **dict.fromkeys(("true", "True", "TRUE", "t", "1"), True),
    **dict.fromkeys(("false", "False", "FALSE", "f", "0"), False),
}


def in_int64(value: int) -> int:
    """The result of int arithmetic."""
    if INT_MIN <= value <= INT_MAX:
        return value
    raise EvaluationError("integer overflow")


def in_uint64(value: int) -> int:
    """The result of uint arithmetic."""
    if 0 <= value <= UINT_MAX:
        return value
    raise EvaluationError("unsigned integer overflow")


def divide_int(left: int, right: int) -> int:
    """Towards zero, as CEL divides; Python rounds down."""
    if right == 0:
        raise EvaluationError("divide by zero")
    quotient = abs(left) // abs(right)
    return in_int64(quotient if (left < 0) == (right < 0) else -quotient)


def modulo_int(left: int, right: int) -> int:
    """With the sign of the dividend."""
    if right == 0:
        raise EvaluationError("modulus by zero")
    if right == -1 and left == INT_MIN:
        raise EvaluationError("integer overflow")
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


def divide_uint(left: int, right: int) -> int:
    """Division of uints."""
    if right == 0:
        raise EvaluationError("divide by zero")
    return left // right


def modulo_uint(left: int, right: int) -> int:
    """Rest of a division of uints."""
    if right == 0:
        raise EvaluationError("modulus by zero")
    return left % right


def divide_double(left: float, right: float) -> float:
    """Division by zero gives an infinity or no number, never an error."""
    if right != 0.0:
        return left / right
    if left == 0.0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def double_to_int(value: float) -> int:
    """Towards zero."""
    if -(2.0**63) < value < 2.0**63:
        return int(value)
    raise EvaluationError("double out of int64 range")


def double_to_uint(value: float) -> int:
    """Towards zero; negative ones are errors."""
    if 0.0 <= value < 2.0**64:
        return int(value)
    raise EvaluationError("double out of uint64 range")


def int_to_uint(value: int) -> int:
    """A negative int has no uint."""
    if value >= 0:
        return value
    raise EvaluationError("int64 out of uint64 range")


def uint_to_int(value: int) -> int:
    """A uint above the largest int has none."""
    if value <= INT_MAX:
        return value
    raise EvaluationError("uint64 out of int64 range")


def string_to_int(text: str) -> int:
    """Decimal digits, with a sign if wanted and space around."""
    return _parse(_INT, text, INT_MIN, INT_MAX, "int")


def string_to_uint(text: str) -> int:
    """Decimal digits, with space around."""
    return _parse(_UINT, text, 0, UINT_MAX, "uint")


def _parse(form: re.Pattern[str], text: str, low: int, high: int, kind: str) -> int:
    digits = text.strip(_SPACE)
    if form.fullmatch(digits):
        sign, digits = ("-", digits[1:]) if digits[0] == "-" else ("", digits.removeprefix("+"))
        digits = digits.lstrip("0") or "0"
        if len(digits) < _MAX_DIGITS and low <= (value := int(sign + digits)) <= high:
            return value
    raise EvaluationError(f"cannot convert string to {kind}")


def string_to_double(text: str) -> float:
    """Decimal or hexadecimal, ``inf`` and ``nan``, with space around."""
    digits = text.strip(_SPACE)
    if _DOUBLE.fullmatch(digits):
        return float(digits)
    if _HEX.fullmatch(digits):
        try:
            return float.fromhex(digits)
        except OverflowError:
            return -math.inf if digits[0] == "-" else math.inf
    raise EvaluationError("cannot convert string to double")


def double_to_string(value: float) -> str:
    """The shortest digits that mean the number; an exponent from a million up and below a ten-thousandth."""
    if not math.isfinite(value):
        return str(value)
    sign, digits, _ = Decimal(repr(value)).as_tuple()
    if value == 0.0:
        return "-0" if math.copysign(1.0, value) < 0 else "0"
    text = "".join(map(str, digits)).rstrip("0")
    exponent = Decimal(repr(value)).adjusted()
    minus = "-" if sign else ""
    if -4 <= exponent < 6:
        return minus + f"{Decimal(repr(abs(value))).normalize():f}"
    fraction = f".{text[1:]}" if len(text) > 1 else ""
    return f"{minus}{text[0]}{fraction}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def string_to_bool(text: str) -> bool:
    """The spellings that CEL knows."""
    if text in _BOOLS:
        return _BOOLS[text]
    raise EvaluationError("cannot convert string to bool")
