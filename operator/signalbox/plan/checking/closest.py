"""What somebody may have meant who wrote a name that is not there."""

import difflib
from collections.abc import Collection
from typing import Final

MOST: Final = 100
"""Names that are looked for: each takes a millisecond among many, and nobody reads so many problems."""


class Closest:
    """Looks for what is meant, for one policy; after too many only says what there is."""

    def __init__(self) -> None:
        self._left = MOST

    def meant(self, name: str, names: Collection[str], instead: str = "") -> str:
        """The fix that names what comes close, else what to do ``instead`` and all there is."""
        self._left -= 1
        close = difflib.get_close_matches(name, names, n=1, cutoff=0.6) if self._left >= 0 else []
        if close:
            return f'did you mean "{close[0]}"?'
        there = f"name one of: {', '.join(names)}" if names else ""
        return ", or ".join(filter(None, (instead, there)))
