"""Regular expressions: RE2, linear in the text whatever the pattern and whoever wrote the text.

The binding's own ``search`` computes the offsets of all groups and translates them to characters; a condition asks
only *whether*: groups are switched off and the low-level match is called, on UTF-8.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

import re2


class PatternError(ValueError):
    """The pattern is not valid in RE2; the message says why."""


def _options(max_bytes: int | None = None) -> Any:
    options = re2.Options()
    if max_bytes is not None:
        options.max_mem = max_bytes
    options.never_capture = True
    options.log_errors = False
    return options


_OPTIONS: Final = _options()
_SMALL: Final = _options(512 * 1024)
_UNANCHORED: Final = re2._re2.RE2.Anchor.UNANCHORED
_ABSENT: Final = (-1, -1)


class Pattern:
    """A compiled pattern. Raises ``PatternError`` when it is invalid.

    ``size`` is that of its program: a match takes at most about size times length of the text. What a ``small`` one
    may take is bounded, for patterns that clients write.
    """

    __slots__ = ("_match", "size", "source")

    def __init__(self, source: str, *, small: bool = False) -> None:
        self.source = source
        program = re2._re2.RE2(source.encode("utf-8", "surrogatepass"), _SMALL if small else _OPTIONS)
        if not program.ok():
            reason = program.error()
            raise PatternError(reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason))
        self._match = program.Match
        self.size: int = program.ProgramSize()

    def found_in(self, utf8: bytes) -> bool:
        """Whether the pattern matches anywhere in the text."""
        return bool(self._match(_UNANCHORED, utf8, 0, len(utf8))[0] != _ABSENT)


# What most patterns of policies are, or begin with: one word of several. Words together make an automaton of as many
# states as they have letters (Aho and Corasick, 1975); those of patterns that repeat anything would multiply.
_WORD: Final = "[A-Za-z0-9_ -]+"
_WORDS: Final = re.compile(
    rf"(?P<words>(?:\(\?i\))?(?:\\b)?\((?:\?:)?{_WORD}(?:\|{_WORD})*\)(?:\\b)?)(?P<rest>(?:[^*+?{{|][^|]*)?)"
    rf"|(?P<all>(?:\(\?i\))?(?:\\b)?{_WORD}(?:\|{_WORD})*(?:\\b)?)"
)
MOST_JOINED: Final = 4_000
"""Size of the program of all words together."""


def words_of(source: str) -> str | None:
    """A pattern of words that is found wherever ``source`` is; None where it needs no word."""
    found = _WORDS.fullmatch(source)
    return None if found is None else found["words"] or found["all"]


class Joined:
    """Patterns of which each needs a word; mostly a text has none of them, and one pass says so."""

    __slots__ = ("_words", "sources")

    def __init__(self, sources: frozenset[str], words: Pattern) -> None:
        self.sources = sources
        self._words = words

    def possible_in(self, utf8: bytes) -> bool:
        """Whether one of them may match in the text."""
        return self._words.found_in(utf8)


def join(sources: Iterable[str]) -> Joined | None:
    """None where it would not help."""
    return _join(frozenset(source for source in sources if words_of(source) is not None))


@lru_cache(maxsize=256)
def _join(sources: frozenset[str]) -> Joined | None:
    if len(sources) < 2:
        return None
    words = Pattern("|".join(sorted({f"(?:{words_of(source)})" for source in sources})))
    return Joined(sources, words) if words.size <= MOST_JOINED else None
