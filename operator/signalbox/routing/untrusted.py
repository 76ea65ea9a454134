"""JSON that clients, engines and models wrote: its lists and objects are counted before they are there.

``[],`` is three bytes, and an empty list takes 64, its place included. Nothing else takes as much for its size: a text
of one letter 15 bytes for each of its own.
"""

from typing import Any, Final

import msgspec

# Lists and objects of a text: half a million take 0.1 s to decode and up to 120 MB. A body of 8 MiB that means anything
# has a tenth of that.
MAX_CONTAINERS: Final = 500_000
_MAX_CUTS: Final = 2 * MAX_CONTAINERS  # even: what is left behind the last one is outside of strings
_NEITHER: Final = bytes(set(range(256)) - set(b'"[{'))


class Unreadable(Exception):  # noqa: N818 - of a text, not of this code
    """A text is no JSON, nests too deep, or holds too many lists and objects."""


def decode(text: bytes | bytearray | str) -> Any:
    """Raises ``Unreadable``."""
    if has_too_many(text):
        raise Unreadable
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise Unreadable from None


def value_of(text: bytes | bytearray | str) -> Any:
    """The value; None where it cannot be read."""
    try:
        return decode(text)
    except Unreadable:
        return None


class Texts:
    """Texts in one body, as the arguments of calls are: together they hold no more than a body may."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = MAX_CONTAINERS

    def value_of(self, text: str) -> Any:
        """The value; None where it cannot be read."""
        count = containers(text)
        if count > self._left:
            return None
        self._left -= count
        return value_of(text)


def has_too_many(text: bytes | bytearray | str) -> bool:
    """Whether a text holds more lists and objects than may be decoded, found without decoding it.

    Each takes two bytes at least, so that most texts need no look.
    """
    if len(text) <= 2 * MAX_CONTAINERS or _brackets(text) <= MAX_CONTAINERS:
        return False
    return containers(text) > MAX_CONTAINERS


def containers(text: bytes | bytearray | str) -> int:
    """How many lists and objects JSON begins: brackets inside of strings are text, but for those behind so many strings
    with brackets that counting would take more memory than decoding."""
    text = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else bytes(text)
    # A backslash is nowhere else, and those that are left escape no quote.
    bare = text.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _NEITHER)
    outside = b"".join(bare.replace(b'""', b"").split(b'"', _MAX_CUTS)[::2])
    return outside.count(b"[") + outside.count(b"{")


def _brackets(text: bytes | bytearray | str) -> int:
    if isinstance(text, str):
        return text.count("[") + text.count("{")
    return text.count(b"[") + text.count(b"{")
