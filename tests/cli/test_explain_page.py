"""docs/explain.md prints what it says."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from signalbox.cli.main import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/explain.md").read_text()
CONSOLE = re.compile(r"```console\n\$ echo '(.*?)' \|\\\n  signalbox (.*?)\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize(("request_", "command", "shown"), CONSOLE.findall(PAGE), ids=str)
def test_the_page_prints_what_it_says(monkeypatch: pytest.MonkeyPatch, request_: str, command: str, shown: str) -> None:
    monkeypatch.chdir(ROOT)
    assert CliRunner().invoke(main, command.split(), input=request_).stdout == shown


def test_there_is_something_to_print() -> None:
    assert len(CONSOLE.findall(PAGE)) == PAGE.count("```console") == 3
