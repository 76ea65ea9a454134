"""Watching a directory: an edit is seen within a fraction of a second."""

from collections.abc import AsyncIterator
from pathlib import Path

from watchfiles import awatch

from signalbox.local.source import SourceError, files

LOOK_MILLISECONDS = 500

Fingerprint = tuple[tuple[str, int, int, int], ...]


def fingerprint(path: Path) -> Fingerprint:
    """Names, times, sizes and identities of the files; what is missing or cannot be read has none."""
    found = []
    try:
        for file in files(path):
            status = file.stat()
            found.append((str(file), status.st_mtime_ns, status.st_size, status.st_ino))
    except (OSError, SourceError):
        return ()
    return tuple(found)


async def changes(path: Path, read: Fingerprint) -> AsyncIterator[None]:
    """Yields after every burst of changes since the files had the fingerprint ``read``.

    The kernel says at once when something changes. What it does not say is found by looking, twice a second: edits
    before the watch began, and those on file systems without notification. The directory of a single file is watched,
    because editors replace files by renaming.
    """
    told = awatch(_watched(path), debounce=300, step=50, rust_timeout=LOOK_MILLISECONDS, yield_on_timeout=True)
    async for events in told:
        now = fingerprint(path)
        if events or now != read:
            read = now
            yield


def _watched(path: Path) -> Path:
    return path if path.is_dir() else path.parent
