"""How the reader of a hint can start this program."""

import shutil
import sys
from pathlib import Path


def program() -> str:
    """By its name where the shell finds that, else by the path that started it."""
    if shutil.which("signalbox"):
        return "signalbox"
    path = Path(sys.argv[0])
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
