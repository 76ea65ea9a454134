"""The command as a whole: help teaches, and costs nothing."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from signalbox.cli.main import SUMMARIES, main


@pytest.mark.parametrize("command", SUMMARIES)
def test_every_command_has_help_with_examples(command: str) -> None:
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0
    assert "--help " in result.stdout
    if command in {"up", "check", "explain"}:
        assert "Examples:" in result.stdout
        assert f"signalbox {command} -f" in result.stdout
        assert "Exit codes:" in result.stdout


def test_the_list_of_commands_imports_none_of_them() -> None:
    code = (
        "import sys; from signalbox.cli.main import main; main(['--help'], standalone_mode=False);"
        "print([m for m in sys.modules if m.startswith(('pydantic', 'yaml', 'aiohttp', 'uvloop', 'google'))])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.endswith("[]\n")
    assert all(f"  {command} " in shown for command in SUMMARIES)


def test_a_command_collects_garbage_as_any_program_does() -> None:
    code = (
        "import gc; from signalbox.cli.main import main; main(['router', '--help'], standalone_mode=False);"
        "print(gc.isenabled())"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.endswith(
        "\nTrue\n"
    )


def test_an_unknown_command_is_wrong_usage() -> None:
    result = CliRunner().invoke(main, ["chek"])
    assert result.exit_code == 2
    assert "No such command 'chek'" in result.stderr


def test_version() -> None:
    assert CliRunner().invoke(main, ["--version"]).stdout.startswith("signalbox, version ")
