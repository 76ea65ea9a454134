"""Where the examples are: in the repository of a clone, or in the installed package."""

import shutil
import tempfile
from pathlib import Path

import click

import signalbox


def find(name: str) -> Path:
    """The directory of an example; an installed one is copied to a directory that the user may edit.

    Raises ``click.ClickException`` when neither place has it.
    """
    package = Path(signalbox.__file__).parent
    in_clone = package.parents[1] / "manifests" / "examples" / name
    if in_clone.is_dir():
        return in_clone
    installed = package / "examples" / name
    if not installed.is_dir():
        raise click.ClickException(f"example {name!r} is missing: looked in {in_clone} and {installed}")
    copy = Path(tempfile.mkdtemp(prefix=f"signalbox-{name}-")) / name
    shutil.copytree(installed, copy)
    return copy
