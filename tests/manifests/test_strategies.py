"""The examples of docs/strategies.md print what it says: simulated engines, ``signalbox up``, and the questions."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
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
def running(*arguments: str, pattern: str) -> Iterator[str]:
    """A command of signalbox; gives what of its first matching line matches."""
    command = (*SIGNALBOX, *arguments)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        seen = ""
        try:
            for line in process.stdout:
                seen += line
                if found := re.search(pattern, line):
                    yield found[1]
                    break
            else:
                raise AssertionError(seen)
        finally:
            process.terminate()
            process.stdout.read()  # until it ends; a pipe that nobody reads could stop it


def questions(console: str) -> list[tuple[str, str]]:
    """What is typed, and what is printed after it."""
    return [(typed, printed) for typed, printed in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", console, re.MULTILINE)]


def test_every_example_is_shown() -> None:
    assert set(SHOWN) == {path.parent.name for path in EXAMPLES.glob("*/policy.yaml")}
    assert all(f"--script manifests/examples/strategies/{name}/sim/script.yaml\n" in PAGE for name in SHOWN)


@pytest.mark.parametrize("example", SHOWN)
def test_it_prints_what_the_page_says(example: str, tmp_path: Path) -> None:
    script = EXAMPLES / example / "sim" / "script.yaml"
    engines = running("sim", "--script", str(script), "--listen", "127.0.0.1:0", pattern=r"http://([^/]+)/v1")
    asked = questions(SHOWN[example])
    assert asked
    with engines as address:
        for file in (EXAMPLES / example).glob("*.yaml"):
            (tmp_path / file.name).write_text(file.read_text().replace(ADDRESS, address))
        ports = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--page", "none", "--access-log", "none")
        with running("up", "-f", str(tmp_path), *ports, pattern=r"(http://127\.0\.0\.1:\d+)") as url:
            for typed, printed in asked:
                ask, *arguments = shlex.split(typed)
                assert ask == "ask"
                command = (sys.executable, str(EXAMPLES / "ask.py"), "--url", url, *arguments)
                done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
                assert (done.stdout, done.stderr) == (printed, ""), typed
