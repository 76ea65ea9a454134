"""docs/limits.md: what it says of defaults is what the code does."""

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import signalbox.router
from signalbox.api.types import Duration

PAGE = Path(__file__).parent.parent / "docs" / "limits.md"
UNITS = {"s": 1, "KiB": 1 << 10, "MiB": 1 << 20}


def rows() -> Iterator[tuple[str, str]]:
    """Where a default stands in the code, and what the page says it is."""
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and cells[-1].startswith("`"):
            yield cells[-1].strip("`"), cells[1]


def value(path: str) -> Any:
    """The value that a path below ``signalbox`` names: of a module, or the default of a class's field."""
    *packages, name = path.split(".")
    owner: Any
    if packages[-1][0].isupper():
        owner = getattr(importlib.import_module(".".join(["signalbox", *packages[:-1]])), packages[-1])()
    else:
        owner = importlib.import_module(".".join(["signalbox", *packages]))
    found = getattr(owner, name)
    return found.milliseconds / 1000 if isinstance(found, Duration) else found


def meant(text: str) -> float | None:
    number, _, unit = text.partition(" ")
    return None if text == "none" else float(number) * UNITS.get(unit, 1)


ROWS = list(rows())


@pytest.mark.parametrize(("path", "text"), ROWS, ids=[path for path, _ in ROWS])
def test_the_page_names_the_default(path: str, text: str) -> None:
    assert value(path) == meant(text)


def test_the_page_names_every_bound_of_the_router() -> None:
    named = {path for path, _ in ROWS}
    missing = []
    for module in pkgutil.walk_packages(signalbox.router.__path__, "signalbox.router."):
        if not module.name.endswith("__main__"):
            source = Path(importlib.import_module(module.name).__file__ or "").read_text()
            missing += [
                path
                for line in source.splitlines()
                if line.startswith("MAX_") and " = " in line
                for path in [f"{module.name.removeprefix('signalbox.')}.{line.split(' ')[0].rstrip(':')}"]
                if path not in named
            ]
    assert missing == []
