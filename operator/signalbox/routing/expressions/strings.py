"""The strings extension, as the official evaluator has it: positions count code points."""

import re
from typing import Final

from signalbox.routing.expressions.values import EvaluationError

# Unicode's White_Space, and NUL: what the official `trim` takes away. Python's `strip` differs.
_SPACE: Final = "".join(
    chr(c)
    for c in (
        0,
        *range(0x09, 0x0E),
        0x20,
        0x85,
        0xA0,
        0x1680,
        *range(0x2000, 0x200B),
        0x2028,
        0x2029,
        0x202F,
        0x205F,
        0x3000,
    )
)
_LOWER: Final = {c: c + 32 for c in range(ord("A"), ord("Z") + 1)}
_UPPER: Final = {c: c - 32 for c in range(ord("a"), ord("z") + 1)}
_ESCAPES: Final = {
    "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\", '"': '\\"',
}  # fmt: skip


def char_at(text: str, position: int) -> str:
    """The character at a position; "" just after the last."""
    if 0 <= position <= len(text):
        return text[position : position + 1]
    raise EvaluationError(f"charAt: position {position} is outside of a string of {len(text)}")


def index_of(text: str, part: str, start: int = 0) -> int:
    """The first position of ``part`` at or after ``start``; -1 when there is none."""
    _within(start, len(text))
    return text.find(part, start)


def last_index_of(text: str, part: str, start: int | None = None) -> int:
    """The last position of ``part`` at or before ``start``; -1 when there is none."""
    if start is None:
        return text.rfind(part)
    _within(start, len(text))
    return text.rfind(part, 0, start + len(part))


def _within(position: int, size: int) -> None:
    if not 0 <= position <= size:
        raise EvaluationError(f"index out of range: {position}")


def lower_ascii(text: str) -> str:
    """Letters A to Z in lower case; all others as they are."""
    return text.lower() if text.isascii() else text.translate(_LOWER)


def upper_ascii(text: str) -> str:
    """Letters a to z in upper case; all others as they are."""
    return text.upper() if text.isascii() else text.translate(_UPPER)


def split(text: str, separator: str, limit: int = -1) -> list[str]:
    """At most ``limit`` parts, the last one unsplit; a negative limit means all."""
    if limit == 0:
        return []
    if separator:
        return text.split(separator, -1 if limit < 0 else limit - 1)
    if not text:
        return [""]
    if 0 < limit < len(text):
        return [*text[: limit - 1], text[limit - 1 :]]
    return list(text)


def substring(text: str, start: int, end: int | None = None) -> str:
    """From ``start`` up to, not including, ``end``.

    An ``end`` at the very end of the string is an error unless ``start`` is there too: so the official evaluator has it
    (cel-expr-python 0.1.3), and a condition must not depend on who evaluates it. Without ``end`` the rest is meant.
    """
    size = len(text)
    if end is None:
        if 0 <= start <= size:
            return text[start:]
    elif 0 <= start <= end <= size and (end < size or start == end):
        return text[start:end]
    raise EvaluationError(f"substring: {start} to {end} is outside of a string of {size}")


def trim(text: str) -> str:
    """Without white space at both ends."""
    return text.strip(_SPACE)


def reverse(text: str) -> str:
    """The code points in reverse order."""
    return text[::-1]


def join(parts: list[str], separator: str = "") -> str:
    """The parts in a row."""
    return separator.join(parts)


def quote(text: str) -> str:
    """As a literal in double quotes."""
    return '"' + re.sub(r'[\a\b\f\n\r\t\v\\"]', lambda m: _ESCAPES[m[0]], text) + '"'
