"""The directory of a running cluster: found and removed later if its run was killed."""

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

PREFIX = "signalbox-cluster-"
SETTLED_SECONDS = 10.0
KEPT_SECONDS = 86400.0


class Workdir:
    """A new directory below the system's temporary one, locked while its owner lives."""

    def __init__(self, path: Path | None = None) -> None:
        if path is None:
            sweep()
        self.path = path or Path(tempfile.mkdtemp(prefix=PREFIX))
        self.lock: IO[str] = (self.path / "lock").open("a")
        if path is None:
            fcntl.flock(self.lock, fcntl.LOCK_EX)

    @classmethod
    def existing(cls, path: Path) -> "Workdir":
        """A directory that another process made and locked."""
        return cls(path)

    def sub(self, name: str) -> Path:
        """A directory in it."""
        place = self.path / name
        place.mkdir(exist_ok=True)
        return place

    def remove(self, *, keep_logs: bool) -> None:
        """Remove it; what ``keep_logs`` spares stays for a day."""
        for place in self.path.iterdir():
            if place.is_dir() and not (keep_logs and place.name == "logs"):
                shutil.rmtree(place, ignore_errors=True)
            elif not place.is_dir():
                place.unlink()
        self.lock.close()
        if not keep_logs:
            self.path.rmdir()


def sweep() -> None:
    """Remove the directories of runs that were killed (nobody holds their lock), and logs that were kept long enough.

    On Linux the kernel ended their processes; elsewhere they may still run, and know the directory by their arguments.
    """
    for place in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            age = time.time() - place.stat().st_mtime
        except FileNotFoundError:
            continue  # another run has just swept it
        if age < SETTLED_SECONDS:
            continue  # perhaps just made, and about to be locked
        if not (place / "lock").exists():
            if age > KEPT_SECONDS:
                shutil.rmtree(place, ignore_errors=True)
            continue
        with suppress(OSError), (place / "lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for note in place.glob("logs/*.pid"):
                end_orphan(int(note.read_text()), place)
            shutil.rmtree(place, ignore_errors=True)


def end_orphan(pid: int, place: Path) -> None:
    """Kill a process if it still is the one that was started in a directory, not another with its number."""
    with suppress(OSError):
        command = ["ps", "-o", "args=", "-p", str(pid)]
        if str(place) in subprocess.run(command, check=False, capture_output=True, text=True).stdout:
            os.kill(pid, signal.SIGKILL)
