"""JSON that clients, engines and models wrote: its lists, objects and texts are counted before they are there.

``[],`` is three bytes, and an empty list takes 64, its place included; ``"a",`` is four, and takes 60. Numbers take
six times their size at most.
"""

from typing import Any, Final, NamedTuple

import msgspec

# Lists and objects of a text: half a million take 0.1 s to decode and up to 120 MB. A body of 8 MiB that means anything
# has a tenth of that.
MAX_CONTAINERS: Final = 500_000
# Texts, names of members included: two million short ones take 150 MB. Of tokens with 20 alternatives each, which have
# the most of what means anything, that is twice as many as the lists and objects above allow.
MAX_TEXTS: Final = 2_000_000
_MAX_CUTS: Final = 2 * MAX_CONTAINERS  # even: what is left behind the last one is outside of strings
_NEITHER: Final = bytes(set(range(256)) - set(b'"[{'))


class Unreadable(Exception):  # noqa: N818 - of a text, not of this code
    """A text is no JSON, nests too deep, or holds too many values."""


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

    __slots__ = ("_containers", "_texts")

    def __init__(self) -> None:
        self._containers = MAX_CONTAINERS
        self._texts = MAX_TEXTS

    def value_of(self, text: str) -> Any:
        """The value; None where it cannot be read."""
        found = counted(text)
        if found.containers > self._containers or found.texts > self._texts:
            return None
        self._containers -= found.containers
        self._texts -= found.texts
        return value_of(text)


class Counted(NamedTuple):
    """What JSON holds: ``containers`` are lists and objects, ``texts`` values and names of members."""

    containers: int
    texts: int


def has_too_many(text: bytes | bytearray | str) -> bool:
    """Whether a text holds more values than may be decoded, found without decoding it.

    Each takes two bytes at least, so that most texts need no look.
    """
    if len(text) <= 2 * MAX_CONTAINERS or (_brackets(text) <= MAX_CONTAINERS and _quotes(text) <= 2 * MAX_TEXTS):
        return False
    found = counted(text)
    return found.containers > MAX_CONTAINERS or found.texts > MAX_TEXTS


def counted(text: bytes | bytearray | str) -> Counted:
    """What JSON begins: brackets inside of texts are none, but for those behind so many texts with brackets that
    counting would take more memory than decoding."""
    text = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else bytes(text)
    # A backslash is nowhere else, and those that are left escape no quote.
    bare = text.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _NEITHER)
    outside = b"".join(bare.replace(b'""', b"").split(b'"', _MAX_CUTS)[::2])
    return Counted(_brackets(outside), _quotes(bare) // 2)


def _brackets(text: bytes | bytearray | str) -> int:
    if isinstance(text, str):
        return text.count("[") + text.count("{")
    return text.count(b"[") + text.count(b"{")


def _quotes(text: bytes | bytearray | str) -> int:
    return text.count('"') if isinstance(text, str) else text.count(b'"')
