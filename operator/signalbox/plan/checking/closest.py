"""What somebody may have meant who wrote a name that is not there."""

import difflib
from collections.abc import Collection


def meant(name: str, names: Collection[str], instead: str = "") -> str:
    """The fix that names what comes close, else what to do ``instead`` and all there is."""
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f'did you mean "{close[0]}"?'
    there = f"name one of: {', '.join(names)}" if names else ""
    return ", or ".join(filter(None, (instead, there)))
