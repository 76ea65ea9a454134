"""Watching a directory: an edit is seen within a fraction of a second."""

from collections.abc import AsyncIterator
from pathlib import Path

from watchfiles import awatch


def changes(path: Path) -> AsyncIterator[object]:
    """Yields after every burst of changes in the directory, or beside the file: editors replace files by renaming."""
    return awatch(path if path.is_dir() else path.parent, debounce=300, step=50, rust_timeout=1_000)
