"""Where things are kept that take minutes to make: outside the tree, so that every checkout shares them."""

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

UNUSED_DAYS = 30


def root() -> Path:
    """The directory of the cache: ``$SIGNALBOX_CACHE``, else a directory of the user's cache."""
    if chosen := os.environ.get("SIGNALBOX_CACHE"):
        return Path(chosen).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "signalbox"


def made(name: str, make: Callable[[Path], None], say: Callable[[str], None]) -> Path:
    """The file or directory ``name`` of the cache; ``make`` makes it at the path that it is given, if it is not there.

    The name has to say all that matters (by a hash, say): what is there is never made again. What ``make`` leaves
    half-done is never seen, since it gets its name only at the end, and two runs do not make the same thing at once.
    """
    place = root() / name
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        with locked(place.with_name(f".{place.name}.lock"), lambda: say(f"another run is making {name}: waiting")):
            if not place.exists():
                scratch = place.with_name(f".{place.name}.new")
                remove(scratch)
                make(scratch)
                scratch.rename(place)
                drop_unused(place)
    os.utime(place)
    return place


@contextmanager
def locked(file: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold a lock that ends with the process, however it ends; ``waiting`` is called if another one has it."""
    with file.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def drop_unused(newest: Path) -> None:
    """Remove what an older version of the sources made under this name (all before its last dash), unless in use."""
    stem = newest.name.rpartition("-")[0]
    for other in newest.parent.glob(f"{stem}-*"):
        if other != newest and time.time() - other.stat().st_mtime > UNUSED_DAYS * 86400:
            remove(other)


def remove(path: Path) -> None:
    """Remove a file or a directory, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
