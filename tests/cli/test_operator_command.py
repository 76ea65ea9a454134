"""signalbox operator where there is no cluster: what a newcomer reads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "the kubeconfig cannot be used: "),
        ("contexts: []", "the kubeconfig cannot be used: "),
    ],
)
def test_no_access_is_said(tmp_path: Path, content: str | None, message: str) -> None:
    file = tmp_path / "config"
    if content is not None:
        file.write_text(content)
    command = [sys.executable, "-m", "signalbox.cli", "operator", "--image", "x"]
    environment = {**os.environ, "KUBECONFIG": str(file), "HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_without_any_kubeconfig(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "KUBECONFIG"} | {"HOME": str(tmp_path)}
    command = [sys.executable, "-m", "signalbox.cli", "operator", "--image", "x"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 1
    assert "set KUBECONFIG" in done.stderr
