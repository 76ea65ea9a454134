"""What is compiled can be: see docs/compiled.md."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
MODULES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]["modules"]


@pytest.mark.parametrize("module", MODULES)
def test_a_compiled_module_holds_what_can_be_compiled(module: str) -> None:
    tree = ast.parse((ROOT / "operator" / "signalbox" / module).read_text())
    for node in ast.walk(tree):
        assert not isinstance(node, ast.AsyncFunctionDef | ast.AsyncWith | ast.Await), "a coroutine"
        if isinstance(node, ast.ClassDef):
            bases = {ast.unparse(base) for base in node.bases}
            assert not bases & {"msgspec.Struct", "Struct"}, "a struct"
            assert not any(base.startswith("asyncio.") for base in bases), "a base that is not compiled"
        if isinstance(node, ast.FunctionDef):
            assert _types_of_caught(node) == [], "one name for exceptions of two types"


def test_modules_are_in_order() -> None:
    assert sorted(set(MODULES)) == MODULES


def _types_of_caught(function: ast.FunctionDef) -> list[str]:
    caught: dict[str, set[str]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.ExceptHandler) and node.name and node.type is not None:
            caught.setdefault(node.name, set()).add(ast.unparse(node.type))
    return [name for name, types in caught.items() if len(types) > 1]
