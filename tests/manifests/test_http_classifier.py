"""The example of docs/classifiers.md prints what it says: train, serve the model, start engines and policy, ask."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "manifests" / "examples" / "strategies"
EXAMPLE = EXAMPLES / "http-classifier"
PAGE = (ROOT / "docs" / "classifiers.md").read_text()
SIGNALBOX = (sys.executable, "-m", "signalbox.cli")


@contextmanager
def running(*command: str, pattern: str) -> Iterator[str]:
    """A command; gives what of its first matching line matches."""
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
            process.stdout.read()


def test_it_prints_what_the_page_says(tmp_path: Path) -> None:
    train, serve, simulate, up = [shlex.split(line) for line in commands()]
    assert (train[0], serve[0], simulate[0], up[0]) == ("signalbox", "python", "signalbox", "signalbox")
    model = str(tmp_path / "kind.model")
    trained = (*SIGNALBOX, *(model if each == "kind.model" else each for each in train[1:]))
    subprocess.run(trained, check=True, capture_output=True, cwd=ROOT, timeout=60)
    service = (sys.executable, str(ROOT / serve[1]), model, "--listen", "127.0.0.1:0")
    engines = (*SIGNALBOX, *simulate[1:-1], str(ROOT / simulate[-1]), "--listen", "127.0.0.1:0")
    with (
        running(*service, pattern=r"http://([^/]+)/classify") as classifier,
        running(*engines, pattern=r"http://([^/]+)/v1") as engine,
    ):
        policy = (ROOT / up[-1] / "classified.yaml").read_text()
        policy = policy.replace("127.0.0.1:9101", engine).replace("127.0.0.1:9200", classifier)
        (tmp_path / "policies").mkdir()
        (tmp_path / "policies" / "classified.yaml").write_text(policy)
        ports = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--page", "none", "--access-log", "none")
        router = (*SIGNALBOX, "up", "-f", str(tmp_path / "policies"), *ports)
        with running(*router, pattern=r"(http://127\.0\.0\.1:\d+)") as url:
            for typed, printed in re.findall(r"^\$ ask (.*)\n((?:(?!\$ |```).*\n)*)", PAGE, re.MULTILINE):
                command = (sys.executable, str(EXAMPLES / "ask.py"), "--url", url, *shlex.split(typed))
                done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
                assert (done.stdout, done.stderr) == (printed, ""), typed


def commands() -> list[str]:
    """What the page says to type."""
    found = re.search(r"(?s)```sh\n(signalbox train .*?)```", PAGE)
    assert found is not None
    return found[1].splitlines()
