"""The folders are what Python must find there."""

import operator
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_folder_operator_is_no_package() -> None:
    # It would hide the standard library's module of that name from everything that starts in the root of the tree.
    assert not (ROOT / "operator" / "__init__.py").exists()
    assert operator.add(1, 1) == 2
