"""Regular expressions: RE2, linear in the text whatever the pattern and whoever wrote the text.

The binding's own ``search`` computes the offsets of all groups and translates them to characters; a condition asks
only *whether*: groups are switched off and the low-level match is called, on UTF-8.
"""

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


# Of programs that are joined, together. The states that a text may lead through multiply; what it costs at most only
# doubles, as that goes by the size of a program where there are too many states.
MOST_JOINED: Final = 4_000


class Joined:
    """Patterns that are looked for in one text, where mostly none of them is: one pass says so of all of them."""

    __slots__ = ("_any", "sources")

    def __init__(self, sources: frozenset[str], any_of_them: Pattern) -> None:
        self.sources = sources
        self._any = any_of_them

    def found_in(self, utf8: bytes) -> bool:
        """Whether one of them matches anywhere in the text."""
        return self._any.found_in(utf8)


def join(patterns: Iterable[Pattern]) -> Joined | None:
    """None where it would not help, or where the patterns cannot be joined."""
    # What is quoted up to the end of a pattern would be quoted up to the end of all.
    sizes = {pattern.source: pattern.size for pattern in patterns if "\\Q" not in pattern.source}
    if len(sizes) < 2 or sum(sizes.values()) > MOST_JOINED:
        return None
    return _join(frozenset(sizes))


@lru_cache(maxsize=256)
def _join(sources: frozenset[str]) -> Joined | None:
    try:
        return Joined(sources, Pattern("|".join(f"(?:{source})" for source in sorted(sources))))
    except PatternError:  # none is known that would be, but a policy must not fail by it
        return None
