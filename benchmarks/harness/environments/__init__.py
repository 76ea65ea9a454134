"""Peers from PyPI in environments of their own, made once and kept in the cache: their versions are not ours."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.errors import BenchError

sys.path.append(str(Path(__file__).parents[3] / "tests"))

from cluster import cache

HERE = Path(__file__).parent
INSTALL_SECONDS = 900.0


@dataclass(frozen=True)
class Package:
    """A program of a package; ``constraints`` is a file of this folder that pins it and all that it needs."""

    requirement: str
    program: str
    constraints: str

    @property
    def version(self) -> str:
        """The one that is pinned."""
        return self.requirement.rpartition("=")[2]


# The newest release whose own requirements are all on PyPI.
LITELLM = Package("litellm[proxy]==1.106.12", "litellm", "litellm.txt")
VLLM_ROUTER = Package("vllm-router==0.1.17", "vllm-router", "vllm-router.txt")


def installed(package: Package, say: Callable[[str], None]) -> Path:
    """The program, installed if it is not there. Raises ``BenchError`` with what was missing."""
    pins = HERE / package.constraints
    mark = hashlib.sha256(f"{package.requirement} {sys.version_info[:2]}".encode() + pins.read_bytes()).hexdigest()[:16]
    # An environment cannot be moved: it is made where it stays, and counts once its last file is there.
    place = cache.root() / f"{package.program}-{mark}"
    done, program = place / "complete", place / "bin" / package.program
    if not done.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        with cache.locked(place.with_suffix(".lock"), lambda: say(f"another run installs {package.program}: waiting")):
            if not done.exists():
                say(f"installing {package.requirement} into {place}, once")
                cache.remove(place)
                _run(package, sys.executable, "-m", "venv", place)
                pip: list[str | Path] = [place / "bin" / "python", "-m", "pip", "install", "--quiet"]
                _run(package, *pip, "--constraint", pins, package.requirement)
                done.touch()
    os.utime(place)
    if not program.exists():
        raise BenchError(f"{package.requirement} has no program {package.program}")
    return program


def _run(package: Package, *command: str | Path) -> None:
    try:
        done = subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise BenchError(f"{package.requirement} was not installed in {INSTALL_SECONDS:.0f} s") from None
    if done.returncode:
        raise BenchError(f"{package.requirement} cannot be installed: {reason(done.stderr or done.stdout)}")


def reason(printed: str) -> str:
    """The last error that pip printed, else its last line."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["pip said nothing"])[-1][:300]
