"""The expression with a caret."""

import pytest

from signalbox.cli.render import caret


@pytest.mark.parametrize(
    ("expression", "line", "column", "shown"),
    [
        ("a && b", 1, 6, ["    a && b", "         ^"]),
        ("a &&\n  b", 2, 3, ["      b", "      ^"]),
        ("\ta", 1, 2, ["    \ta", "    \t^"]),
        ('"日本" == x', 1, 9, ['    "日本" == x', "              ^"]),
        ("a", 3, 1, ["    ", "    ^"]),
    ],
)
def test_the_caret_stands_under_the_column(expression: str, line: int, column: int, shown: list[str]) -> None:
    assert caret(expression, line, column) == shown


def test_long_lines_are_cut_around_the_caret() -> None:
    row, mark = caret("x" * 150 + "!" + "y" * 150, 1, 151)
    assert row.startswith("    ... x")
    assert row.endswith("y ...")
    assert row[mark.index("^")] == "!"
