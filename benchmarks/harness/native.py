"""The tools in C: compiled on first use, kept in benchmarks/.build under the hash of their sources."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from benchmarks.harness.errors import BenchError

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "native"
BUILD = ROOT / ".build"
FLAGS = ("-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra")


def tool(name: str) -> Path:
    """The program made from ``native/NAME.c``. Raises ``BenchError`` when that is not possible."""
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(SOURCES.iterdir()))).hexdigest()[:12]
    program = BUILD / f"{name}-{digest}"
    if program.exists():
        return program
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler:
        raise BenchError("needs a C compiler for its load generator and upstream: install gcc or clang, or set CC")
    BUILD.mkdir(exist_ok=True)
    scratch = program.with_suffix(f".{os.getpid()}")
    command = [compiler, *FLAGS, "-o", str(scratch), str(SOURCES / f"{name}.c"), "-lm"]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        details = getattr(error, "stderr", "") or str(error)
        raise BenchError(f"{compiler} could not compile {name}.c (Linux is needed: epoll):\n{details}") from None
    scratch.rename(program)
    return program
