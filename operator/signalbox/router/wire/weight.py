"""What a body takes in memory once it is decoded, beyond the bytes that it came in.

Text takes what it has. But the many small values of a body can take fifty times its size.

The constants are upper bounds for CPython on 64 bits, with what its allocator rounds up to.
"""

from typing import Any, Final

from signalbox.router.wire.errors import Refusal
from signalbox.routing.untrusted import MAX_CONTAINERS, MAX_TEXTS

# What one body may take beyond its size. The most numbers that 8 MiB hold in any use, tokens to embed, take half of it.
MAX_WEIGHT: Final = 128 << 20

_LIST: Final = 96
_ITEM: Final = 9  # a list grows by an eighth more than it needs
_OBJECT: Final = 176
_MEMBER: Final = 64  # a place in its table, which is between a third and two thirds full
_STRING: Final = 64
_WIDE_STRING: Final = 96
_WIDE: Final = 4  # bytes for each character of a string that has one beyond U+FFFF
_NUMBER: Final = 32


def weight(value: Any) -> int:
    """Bytes that decoded JSON takes at most, beyond the bytes that it was decoded from.

    Raises ``RecursionError`` for what nests about as deep as it can be decoded.
    """
    if isinstance(value, str):
        return _STRING if value.isascii() else _WIDE_STRING + _WIDE * len(value)
    total: int
    if isinstance(value, dict):
        total = _OBJECT + _MEMBER * len(value)
        for name, item in value.items():
            total += weight(name) + weight(item)
        return total
    if isinstance(value, list):
        total = _LIST + _ITEM * len(value)
        for item in value:
            total += weight(item)
        return total
    return _NUMBER


def too_complex() -> Refusal:
    """The answer to a body of too many values."""
    bounds = f"{MAX_CONTAINERS} lists and objects and {MAX_TEXTS} texts, and take {MAX_WEIGHT >> 20} MiB once decoded"
    return Refusal(400, "too_complex", f"A body may nest a few hundred times, hold {bounds}.")
