"""One control group, in every hierarchy, for all pods of a cluster: so that they can be found and removed."""

import time
from contextlib import suppress
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
BUSY_SECONDS = 10.0


def hierarchies() -> list[Path]:
    """Where groups can be made: one place with cgroup v2, one for each controller with v1."""
    if (ROOT / "cgroup.controllers").exists():
        return [ROOT]
    return [place for place in ROOT.iterdir() if (place / "cgroup.procs").exists() and not place.is_symlink()]


def create(name: str) -> None:
    """Make the group."""
    for hierarchy in hierarchies():
        group = hierarchy / name
        group.mkdir(exist_ok=True)
        for file in ("cpuset.cpus", "cpuset.mems"):  # v1: a new group may run nowhere until it is told where
            if (hierarchy.name == "cpuset") and (group / file).exists():
                (group / file).write_text((hierarchy / file).read_text())


def remove(name: str) -> None:
    """Remove the group and all below it; the kernel may take a moment to let go of the last process."""
    for hierarchy in hierarchies():
        deadline = time.monotonic() + BUSY_SECONDS
        while (hierarchy / name).exists():
            for group in sorted((hierarchy / name).rglob("*/"), reverse=True):
                with suppress(OSError):
                    group.rmdir()
            with suppress(OSError):
                (hierarchy / name).rmdir()
                break
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
