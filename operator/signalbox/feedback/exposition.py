"""Reading metrics as text: Prometheus' exposition format and OpenMetrics, of which engines write either.

An engine exports hundreds of series and the loop wants ten. So nothing is parsed but the lines of those, found in one
pass, and whatever else the text holds costs no more than its length.
"""

import math
import re
from collections.abc import Iterable
from functools import lru_cache

import msgspec

MOST_LINE = 64 << 10
"""Bytes; a longer line is passed over. Labels of real engines fit into 2 KiB."""
MOST_SERIES = 4_000
"""Of those wanted, in one text; engines have tens, or some hundreds where each of many GPUs tells."""
USUAL_LABELS = 512
"""Bytes of labels that are worth remembering."""

# Possessive quantifiers: what does not match is given up at once, so time is linear in the text. And a label is looked
# for only where a name begins, or each of its letters would be tried as a beginning.
_LABELS = rb'(?:[^"}\n]++|"(?:[^"\\\n]++|\\[^\n])*+")*+'
_LINE = re.compile(rb"\n([^{ \t]++)(?:[ \t]*+\{(" + _LABELS + rb")\}[ \t]*+|[ \t]++)([^ \t\r\n]++)")
_LABEL = re.compile(r'(?<![a-zA-Z0-9_])([a-zA-Z_][a-zA-Z0-9_]*+)[ \t]*+=[ \t]*+"((?:[^"\\\n]|\\.)*+)"')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n"}


class Unreadable(Exception):  # noqa: N818 - says what happened
    """A text of which nothing can be said. The message never quotes it."""


class Series(msgspec.Struct, frozen=True):
    """One line: a name, labels, and a value: NaN where it is no number."""

    name: str
    labels: dict[str, str]
    value: float


class Names:
    """The names of the series that are wanted: exactly these, so a histogram's ``_sum`` or the ``_created`` beside a
    counter is not taken for it. Where an exporter writes ``_`` for ``:``, as Python's does in OpenMetrics, it is one
    and the same."""

    def __init__(self, names: Iterable[str]) -> None:
        wanted = sorted(set(names))
        self._wanted = {name.replace(":", "_").encode(): name for name in wanted} | {n.encode(): n for n in wanted}
        # Names with a prefix in common are looked for together: ``re`` searches for a literal beginning several times
        # faster than for alternatives.
        families: dict[str, list[str]] = {}
        for name in wanted:
            families.setdefault(name.partition(":")[0], []).append(name)
        self._starts = [re.compile(rb"\n(?:%b)[{ \t]" % _either(family)) for family in families.values()]

    def scan(self) -> "Scan":
        """Begin with a text."""
        return Scan(self._starts, self._wanted)

    def read(self, text: bytes) -> list[Series]:
        """All of a text. Raises ``Unreadable``."""
        scan = self.scan()
        scan.feed(text)
        return scan.close()


class Scan:
    """A text that comes in pieces. It keeps no more of it than the line that is not yet complete."""

    def __init__(self, starts: list[re.Pattern[bytes]], wanted: dict[bytes, str]) -> None:
        self._starts, self._wanted = starts, wanted
        self._rest = bytearray(b"\n")
        self._found: list[Series] = []

    def feed(self, piece: bytes) -> None:
        """A further piece. Raises ``Unreadable``."""
        end = piece.rfind(b"\n")
        self._rest += piece if end < 0 else piece[:end]
        if end >= 0:
            self._look()
            self._rest = bytearray(piece[end:])
        if len(self._rest) > MOST_LINE:
            del self._rest[:]  # without its beginning the line matches nothing

    def close(self) -> list[Series]:
        """The series that were there. Raises ``Unreadable``."""
        self._look()
        return self._found

    def _look(self) -> None:
        text = bytes(self._rest)
        starts = [found.start() for pattern in self._starts for found in pattern.finditer(text)]
        if len(self._found) + len(starts) > MOST_SERIES:
            raise Unreadable(f"more than {MOST_SERIES} series")
        for start in starts:
            line = _LINE.match(text, start)
            if line is not None:
                name, labels, value = line.groups()
                wanted = self._wanted.get(name)
                if wanted is not None:  # not with ``:`` in one place and ``_`` in another
                    self._found.append(Series(wanted, _labels(labels), _number(value)))


def selector(text: str) -> tuple[str, dict[str, str]]:
    """A metric's name and the labels that choose among its series, as in ``name{label="value"}``.

    Raises ``ValueError`` with what is wrong.
    """
    match = re.fullmatch(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{(.*)\})?\s*", text, re.DOTALL)
    if match is None:
        raise ValueError(f'{text!r} is no metric\'s name; write name or name{{label="value"}}')
    name, inside = match.group(1), match.group(2) or ""
    left = _LABEL.sub("", inside).replace(",", "").strip()
    if left:
        raise ValueError(f'{text!r}: labels are chosen by equality only; write {name}{{label="value", other="value"}}')
    return name, _pairs(inside)


def _either(names: list[str]) -> bytes:
    return b"|".join(re.escape(name.encode()).replace(b":", b"[:_]") for name in names)


def _number(value: bytes) -> float:
    try:
        return float(value)
    except ValueError:
        return math.nan


def _labels(text: bytes | None) -> dict[str, str]:
    if not text:
        return {}
    return _usual(text) if len(text) <= USUAL_LABELS else _pairs(text.decode("utf-8", "replace"))


@lru_cache(maxsize=4096)
def _usual(text: bytes) -> dict[str, str]:
    """Labels hardly differ from one look to the next, and from one endpoint to another. Nobody changes the result."""
    return _pairs(text.decode("utf-8", "replace"))


def _pairs(text: str) -> dict[str, str]:
    pairs = _LABEL.findall(text)
    if "\\" not in text:
        return dict(pairs)
    return {name: _ESCAPE.sub(lambda m: _ESCAPED.get(m[1], m[1]), value) for name, value in pairs}
