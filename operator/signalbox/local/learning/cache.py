"""Models that were learned before, on this machine: by what they were learned from."""

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from signalbox.plan.learned import Kept


class Cache:
    """A directory with a file for each. Whoever cannot read or write it learns anew, and that is all."""

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory or _default()

    def get(self, digest: str) -> Kept | None:
        """The model of a state of a lesson."""
        try:
            found = msgspec.json.decode(self._file(digest).read_bytes(), type=Kept)
        except (OSError, msgspec.MsgspecError):
            return None
        return found if found.sound.record.digest == digest else None

    def put(self, kept: Kept) -> None:
        """Keep it, in one step: others may read and write at the same time."""
        file = self._file(kept.record.digest)
        new = file.with_name(f".{file.name}.{os.getpid()}")
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            new.write_bytes(msgspec.json.encode(kept))
            new.replace(file)

    def _file(self, digest: str) -> Path:
        return self._directory / f"{digest}.json"


def _default() -> Path:
    """As the XDG base directories say."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path("~/.cache").expanduser()) / "signalbox" / "learned"
