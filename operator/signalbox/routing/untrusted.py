"""JSON that clients, engines and models wrote: its values are counted before they are there.

``[],`` is three bytes, and an empty list takes 64, its place included; ``"a",`` is four, and takes 72; ``-9,`` is
three, and takes 40.
"""

from typing import Any, Final, NamedTuple

import msgspec

# Lists and objects of a text: half a million take 0.1 s to decode and up to 120 MB. A body of 8 MiB that means anything
# has a tenth of that.
MAX_CONTAINERS: Final = 500_000
# Texts, names of members included: two million short ones take 150 MB, names that differ 240. Of tokens with 20
# alternatives each, which have the most of what means anything, that is twice as many as the above allows.
MAX_TEXTS: Final = 2_000_000
# Places in lists and objects, whatever is there: four million numbers take 160 MB, and 8 MiB hold no more.
MAX_PLACES: Final = (8 << 20) // 2
_MAX_CUTS: Final = 2 * MAX_CONTAINERS  # even: what is left behind the last one is outside of strings
_NEITHER: Final = bytes(set(range(256)) - set(b'"[{,'))


class Counted(NamedTuple):
    """What JSON holds: ``containers`` are lists and objects, ``texts`` values and names of members, ``commas`` come
    between places."""

    containers: int
    texts: int
    commas: int


_MOST: Final = Counted(MAX_CONTAINERS, MAX_TEXTS, MAX_PLACES)


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

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = _MOST

    def value_of(self, text: str) -> Any:
        """The value; None where it cannot be read."""
        left, found = self._left, counted(text)
        if _exceeds(found, left):
            return None
        self._left = Counted(left.containers - found.containers, left.texts - found.texts, left.commas - found.commas)
        return value_of(text)


def has_too_many(text: bytes | bytearray | str) -> bool:
    """Whether a text holds more values than may be decoded, found without decoding it.

    Each takes two bytes at least, so that most texts need no look.
    """
    if len(text) <= 2 * MAX_CONTAINERS or not _exceeds(_at_most(text), _MOST):
        return False
    return _exceeds(counted(text), _MOST)


def counted(text: bytes | bytearray | str) -> Counted:
    """What JSON begins: what is inside of texts is none of it, but for that behind so many texts that counting would
    take more memory than decoding."""
    text = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else bytes(text)
    # A backslash is nowhere else, and those that are left escape no quote.
    bare = text.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _NEITHER)
    brackets, commas = _outside(bare.replace(b",", b"")), _outside(bare.translate(None, b"[{"))
    return Counted(len(brackets), bare.count(b'"') // 2, len(commas))


def _outside(bare: bytes) -> bytes:
    """What is in no text, where nothing but quotes is left besides."""
    return b"".join(bare.replace(b'""', b"").split(b'"', _MAX_CUTS)[::2]).replace(b'"', b"")


def _at_most(text: bytes | bytearray | str) -> Counted:
    """As if nothing were inside of texts."""
    if isinstance(text, str):
        return Counted(text.count("[") + text.count("{"), text.count('"') // 2, text.count(","))
    return Counted(text.count(b"[") + text.count(b"{"), text.count(b'"') // 2, text.count(b","))


def _exceeds(found: Counted, most: Counted) -> bool:
    return found.containers > most.containers or found.texts > most.texts or found.commas > most.commas
