"""Each threat on the page names what holds it, and that is there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "security.md"


def threats() -> dict[str, list[str]]:
    """Rows of the table, and the tests that they name."""
    table = PAGE.read_text().split("## Threats")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")][1:]
    return {row[0]: re.findall(r"`(tests/[^`]+)`", row[-1]) for row in rows if not row[0].startswith("**")}


def test_every_threat_is_held_by_tests_that_exist() -> None:
    found = threats()
    assert len(found) > 30
    assert not [threat for threat, tests in found.items() if not tests]
    named = {one for tests in found.values() for one in tests}
    defined: dict[str, set[str]] = {}
    for path in {one.partition("::")[0] for one in named}:
        tree = ast.parse((ROOT / path).read_text()) if (ROOT / path).is_file() else ast.Module([], [])
        defined[path] = {
            node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
    missing = {one for one in named if one.partition("::")[2] not in defined[one.partition("::")[0]]}
    assert not missing
