"""Hook of the wheel's build: with SIGNALBOX_COMPILED=1, mypyc compiles the modules of the hot path.

The same Python files are the reference and the fallback: they are in either wheel, and an interpreter that cannot load
the compiled form reads them. mypyc needs a C compiler, and the packages that the modules import, for their types.
"""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VARIABLE = "SIGNALBOX_COMPILED"
SETUP = """
import sys
from mypyc.build import mypycify
from setuptools import setup
extensions = mypycify(["--config-file", "../pyproject.toml", *sys.argv[3:]], opt_level="2", debug_level="0")
sys.argv = ["setup.py", "--quiet", *sys.argv[1:3]]
setup(name="signalbox", ext_modules=extensions)
"""


class CompiledHook(BuildHookInterface):
    """See the module."""

    made: Path | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Without the variable, and in an editable installation, nothing is compiled."""
        if os.environ.get(VARIABLE) != "1" or version == "editable":
            return
        place = Path(mkdtemp(prefix="signalbox-compiled-"))
        shutil.copytree(Path(self.root) / "operator", place / "operator")
        shutil.copy(Path(self.root) / "pyproject.toml", place)
        modules = [f"signalbox/{each}" for each in self.config["modules"]]
        self.app.display_info(f"compiling {len(modules)} modules (two minutes)")
        compile_them(modules, place)
        suffix = sysconfig.get_config_var("EXT_SUFFIX")
        made = place / "operator"  # and once more in its folder `build`, where the compiler works
        for found in sorted([*made.glob(f"*{suffix}"), *(made / "signalbox").rglob(f"*{suffix}")]):
            build_data["force_include"][str(found)] = str(found.relative_to(made))
        self.made = place
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """What was compiled is in the wheel."""
        if self.made is not None:
            shutil.rmtree(self.made)


def compile_them(modules: list[str], place: Path) -> None:
    """Put the extensions beside the modules. Raises ``SystemExit``, with the reason; then all stays for who looks."""
    log = place / "compiling.log"
    command = [sys.executable, "-c", SETUP, "build_ext", "--inplace", *modules]
    # Sets of names are written down in the order of their hashes: the same sources give the same bytes.
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    with log.open("w") as output:
        done = subprocess.run(  # noqa: S603
            command, cwd=place / "operator", check=False, stdout=output, stderr=subprocess.STDOUT, env=environment
        )
    if done.returncode == 0:
        return
    lines = log.read_text(errors="replace").splitlines()
    said = [line for line in lines if "error" in line.lower()][-20:] or lines[-30:] or ["it said nothing"]
    raise SystemExit(
        "\n".join([f"the hot path was not compiled: {ending(done.returncode)}", *said, f"all of it: {log}"])
    )


def ending(code: int) -> str:
    """How a process ended."""
    if code >= 0:
        return f"exit status {code}"
    hint = ", as the kernel does when memory runs out" if code == -signal.SIGKILL else ""
    return f"killed by {signal.Signals(-code).name}{hint}"
