"""What a body takes in memory once it is decoded, beyond the bytes that it came in.

Text takes what it has. But ``[],`` is three bytes, and an empty list 80: the many small values of a body can take fifty
times its size, and decoding them a tenth of a microsecond each.

The constants are upper bounds for CPython on 64 bits, with what its allocator rounds up to.
"""

from typing import Any, Final

from signalbox.router.wire.errors import Refusal

# Lists and objects of a body: half a million take 0.1 s to decode and up to 120 MB. A body of 8 MiB that means anything
# has a tenth of that.
MAX_CONTAINERS: Final = 500_000
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


def has_too_many(body: bytes | bytearray) -> bool:
    """Whether a body holds more lists and objects than may be decoded, found without decoding it.

    Each takes two bytes at least, so that most bodies need no look.
    """
    if len(body) <= 2 * MAX_CONTAINERS or body.count(b"[") + body.count(b"{") <= MAX_CONTAINERS:
        return False
    # Brackets inside of strings are text. A backslash is nowhere else, and those that are left escape no quote.
    bare = bytes(body).replace(b"\\\\", b"").replace(b'\\"', b"")
    outside = b"".join(bare.split(b'"')[::2])
    return outside.count(b"[") + outside.count(b"{") > MAX_CONTAINERS


def weight(data: dict[str, Any]) -> int:
    """Bytes that decoded JSON takes at most, beyond the bytes that it was decoded from."""
    total = 0
    containers: list[Any] = [data]
    while containers:
        container = containers.pop()
        items: list[Any]
        if isinstance(container, dict):
            total += _OBJECT + _MEMBER * len(container)
            items = [*container, *container.values()]
        else:
            items = container
            total += _LIST + _ITEM * len(items)
        for item in items:
            if isinstance(item, str):
                total += _STRING if item.isascii() else _WIDE_STRING + _WIDE * len(item)
            elif isinstance(item, (list, dict)):
                containers.append(item)
            else:
                total += _NUMBER
    return total


def too_complex() -> Refusal:
    """The answer to a body of too many values."""
    bounds = f"{MAX_CONTAINERS} lists and objects, and values that take {MAX_WEIGHT >> 20} MiB once decoded"
    return Refusal(400, "too_complex", f"A body may hold {bounds}.")
