"""The examples of docs/strategies.md print what it says: simulated engines, ``signalbox up``, and the questions."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "manifests" / "examples" / "strategies"
PAGE = (ROOT / "docs" / "strategies.md").read_text()
STARTED = r"(?ms)^signalbox up -f manifests/examples/strategies/(\S+)\n```\n```console\n(.*?)```"
SHOWN = dict(re.findall(STARTED, PAGE))
ADDRESS = "127.0.0.1:9101"
SIGNALBOX = (sys.executable, "-m", "signalbox.cli")


@contextmanager
def running(*arguments: str, **variables: str) -> Iterator[Callable[[str], str]]:
    """A command of signalbox; gives a function that waits for a line, and returns what a pattern finds in it."""
    environment = {**os.environ, **variables}
    command = (*SIGNALBOX, *arguments)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        lines = process.stdout
        assert lines is not None

        def said(pattern: str) -> str:
            seen = ""
            for line in lines:
                seen += line
                if found := re.search(pattern, line):
                    return found[0]
            raise AssertionError(f"{pattern} was never said: {seen}")

        try:
            yield said
        finally:
            process.terminate()
            lines.read()  # until it ends; a pipe that nobody reads could stop it


def questions(console: str) -> list[tuple[str, str]]:
    """What is typed, and what is printed after it."""
    return [(typed, printed) for typed, printed in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", console, re.MULTILINE)]


def test_every_example_is_shown() -> None:
    assert set(SHOWN) == {path.parent.name for path in EXAMPLES.glob("*/policy.yaml")}
    assert all(f"--script manifests/examples/strategies/{name}/sim/script.yaml\n" in PAGE for name in SHOWN)


@pytest.mark.parametrize("example", SHOWN)
def test_it_prints_what_the_page_says(example: str, tmp_path: Path) -> None:
    script = EXAMPLES / example / "sim" / "script.yaml"
    asked = questions(SHOWN[example])
    assert asked
    with running("sim", "--script", str(script), "--listen", "127.0.0.1:0") as engines:
        address = engines(r"127\.0\.0\.1:\d+")
        for file in (EXAMPLES / example).glob("*.yaml"):
            (tmp_path / file.name).write_text(file.read_text().replace(ADDRESS, address))
        ports = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--page", "none", "--access-log", "none")
        with running("up", "-f", str(tmp_path), *ports, XDG_CACHE_HOME=str(tmp_path / "cache")) as up:
            url = up(r"http://127\.0\.0\.1:\d+")
            if (tmp_path / "policy.yaml").read_text().count("trained:"):
                up("learned from")
            for typed, printed in asked:
                ask, *arguments = shlex.split(typed)
                assert ask == "ask"
                command = (sys.executable, str(EXAMPLES / "ask.py"), "--url", url, *arguments)
                done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
                assert (done.stdout, done.stderr) == (printed, ""), typed
