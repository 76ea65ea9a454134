"""Hook of the wheel's build: with SIGNALBOX_COMPILED=1, mypyc compiles the modules of the hot path.

The same Python files are the reference and the fallback: they are in either wheel, and an interpreter that cannot load
the compiled form reads them. mypyc needs a C compiler, and the packages that the modules import, for their types.
"""

import os
import shutil
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

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Without the variable, and in an editable installation, nothing is compiled."""
        if os.environ.get(VARIABLE) != "1" or version == "editable":
            return
        place = Path(mkdtemp(prefix="signalbox-compiled-"))
        shutil.copytree(Path(self.root) / "operator", place / "operator")
        shutil.copy(Path(self.root) / "pyproject.toml", place)
        modules = [f"signalbox/{each}" for each in self.config["modules"]]
        command = [sys.executable, "-c", SETUP, "build_ext", "--inplace", *modules]
        self.app.display_info(f"compiling {len(modules)} modules (two minutes)")
        done = subprocess.run(command, cwd=place / "operator", check=False, capture_output=True, text=True)  # noqa: S603
        if done.returncode:
            said = [line for line in (done.stdout + done.stderr).splitlines() if "error" in line.lower()]
            raise SystemExit("mypyc could not compile the hot path:\n" + "\n".join(said[-20:] or [done.stderr[-3000:]]))
        suffix = sysconfig.get_config_var("EXT_SUFFIX")
        for found in sorted((place / "operator").rglob(f"*{suffix}")):
            build_data["force_include"][str(found)] = str(found.relative_to(place / "operator"))
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
