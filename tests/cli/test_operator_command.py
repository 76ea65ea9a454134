"""signalbox operator where there is no cluster: what a newcomer reads."""

import os
import socket
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


KUBECONFIG = """\
clusters: [{name: c, cluster: {server: "http://127.0.0.1:9"}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
current-context: c
users: [{name: u, user: {token: t}}]
"""


@pytest.mark.parametrize("option", ["--listen", "--metrics", "--probes", "--page"])
def test_a_taken_port_is_said_with_its_option(tmp_path: Path, option: str) -> None:
    file = tmp_path / "config"
    file.write_text(KUBECONFIG)
    command = [sys.executable, "-m", "signalbox.cli", "operator", "--image", "x", "--dev"]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        at = f"127.0.0.1:{taken.getsockname()[1]}"
        command += [] if option == "--listen" else ["--listen", "127.0.0.1:0"]
        environment = {**os.environ, "KUBECONFIG": str(file)}
        done = subprocess.run([*command, option, at], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 1
    assert f"cannot listen on {at} ({option}): the port is in use" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Unclosed" not in done.stderr
