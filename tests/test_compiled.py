"""What is compiled can be: see docs/compiled.md."""

import ast
import importlib.util
import tomllib
from pathlib import Path
from types import ModuleType

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
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            called = [isinstance(argument, ast.Call) for argument in node.args]
            assert not (node.func.id == "reversed" and any(called)), "what a call gives, reversed"
            assert node.func.id != "vars", "vars(): compiled objects have no __dict__"
        if isinstance(node, ast.FunctionDef):
            assert _types_of_caught(node) == [], "one name for exceptions of two types"


def test_modules_are_in_order() -> None:
    assert sorted(set(MODULES)) == MODULES


@pytest.fixture
def hook() -> ModuleType:
    """The hook of the wheel's build."""
    spec = importlib.util.spec_from_file_location("compiled_hook", ROOT / "scripts" / "compiled.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("program", "told"),
    [
        (
            "print('x.py:1: error: no such name'); print('a note'); raise SystemExit(1)",
            ["exit status 1", "no such name"],
        ),
        ("print('what it was at'); raise SystemExit(2)", ["exit status 2", "what it was at"]),
        ("raise SystemExit(3)", ["exit status 3", "it said nothing"]),
        ("import os; os.kill(os.getpid(), 9)", ["killed by SIGKILL", "memory"]),
        ("import os, sys; print('cc1: killed', file=sys.stderr, flush=True); os.abort()", ["SIGABRT", "cc1: killed"]),
    ],
)
def test_whoever_cannot_compile_is_told_why(
    program: str, told: list[str], hook: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hook, "SETUP", program)
    (tmp_path / "operator").mkdir()
    with pytest.raises(SystemExit) as caught:
        hook.compile_them(["signalbox/x.py"], tmp_path)
    assert all(words in str(caught.value) for words in told)
    assert str(tmp_path / "compiling.log") in str(caught.value)


def _types_of_caught(function: ast.FunctionDef) -> list[str]:
    caught: dict[str, set[str]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.ExceptHandler) and node.name and node.type is not None:
            caught.setdefault(node.name, set()).add(ast.unparse(node.type))
    return [name for name, types in caught.items() if len(types) > 1]
