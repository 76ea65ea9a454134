"""The wheel has the same bytes whoever builds it, wherever and whenever."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
SOURCES = ("operator", "manifests/examples", "crds", "scripts", "pyproject.toml", "README.md", "LICENSE")


def built(directory: Path, *, umask: int, age: float, **environment: str) -> Path:
    """A wheel from a copy of the sources."""
    before = os.umask(umask)
    try:
        for name in SOURCES:
            target = directory / "source" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / name).is_dir():
                shutil.copytree(
                    ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"), copy_function=shutil.copyfile
                )
            else:
                shutil.copyfile(ROOT / name, target)
        for path in (directory / "source").rglob("*"):
            os.utime(path, (age, age))
        subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory / "made")],
            cwd=directory / "source",
            env={"PATH": os.environ["PATH"], "TMPDIR": str(directory), **environment},
            check=True,
            capture_output=True,
        )
    finally:
        os.umask(before)
    [wheel] = (directory / "made").glob("*.whl")
    return wheel


def test_the_same_sources_make_the_same_bytes(tmp_path: Path) -> None:
    one = built(tmp_path / "one", umask=0o022, age=1_500_000_000, PYTHONHASHSEED="1", TZ="UTC", LANG="C")
    two = built(tmp_path / "a longer path", umask=0o077, age=1_700_000_000, PYTHONHASHSEED="2", TZ="Asia/Tokyo")
    assert one.name == two.name
    assert one.read_bytes() == two.read_bytes()
    names = zipfile.ZipFile(one).namelist()
    assert "signalbox/router/serving/proxy.py" in names
    assert not [name for name in names if not name.startswith(("signalbox/", "signalbox-"))]
    assert not [name for name in names if name.endswith(".pyc")]


@pytest.mark.long
@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_the_same_sources_make_the_same_bytes_when_they_are_compiled(tmp_path: Path) -> None:
    compiled = {"SIGNALBOX_COMPILED": "1"}
    one = built(tmp_path / "one", umask=0o022, age=1_500_000_000, PYTHONHASHSEED="1", TZ="UTC", LANG="C", **compiled)
    two = built(
        tmp_path / "a longer path", umask=0o077, age=1_700_000_000, PYTHONHASHSEED="2", TZ="Asia/Tokyo", **compiled
    )
    assert one.name == two.name
    assert one.read_bytes() == two.read_bytes()
    names = zipfile.ZipFile(one).namelist()
    assert {"signalbox/router/wire/sse.py", f"signalbox/router/wire/sse{SUFFIX}"} <= set(names)
    [shared] = [name for name in names if not name.startswith(("signalbox/", "signalbox-"))]
    assert shared.endswith(f"__mypyc{SUFFIX}")
    assert not list(tmp_path.rglob("signalbox-compiled-*"))
