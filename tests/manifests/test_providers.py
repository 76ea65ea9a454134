"""The example of docs/providers.md prints what the page says: simulated engines, ``signalbox up`` and the official
clients, each in a process of its own."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "manifests" / "examples" / "providers"
[(PROGRAM, PRINTED)] = re.findall(
    r"(?ms)^```python\n(.*?)```\n```console\n(.*?)```", (ROOT / "docs" / "providers.md").read_text()
)


@contextmanager
def running(*arguments: str, pattern: str) -> Iterator[str]:
    """A command of signalbox; gives what of its first matching line matches."""
    command = (sys.executable, "-m", "signalbox.cli", *arguments)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        try:
            lines = iter(process.stdout.readline, "")
            yield next(found[1] for line in lines if (found := re.search(pattern, line)))
        finally:
            process.terminate()
            process.stdout.read()  # until it ends; a pipe that nobody reads could stop it


def test_it_prints_what_the_page_says(tmp_path: Path) -> None:
    script = str(EXAMPLE / "sim" / "script.yaml")
    options = ("--context-window", "32768", "--listen", "127.0.0.1:0")
    with running("sim", "--script", script, *options, pattern=r"http://([^/]+)/v1") as engine:
        policy = (EXAMPLE / "policy.yaml").read_text().replace("127.0.0.1:9101", engine)
        (tmp_path / "policy.yaml").write_text(policy)
        ports = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--page", "none", "--access-log", "none")
        with running("up", "-f", str(tmp_path), *ports, pattern=r"(http://127\.0\.0\.1:\d+)") as url:
            program = PROGRAM.replace("http://127.0.0.1:8080", url)
            command = (sys.executable, "-c", program)
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == (PRINTED, "")
