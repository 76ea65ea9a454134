"""`signalbox up` on real engines."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cluster.processes import free_ports


@dataclass(frozen=True)
class Router:
    """Where it serves, and where it is watched."""

    url: str
    admin: str

    @property
    def chat(self) -> str:
        """Where chats go."""
        return f"{self.url}/v1/chat/completions"

    def weights(self) -> dict[str, float]:
        """In force, by target."""
        with urllib.request.urlopen(f"{self.admin}/metrics", timeout=10) as response:
            text = response.read().decode()
        found = re.findall(r'^signalbox_router_route_weight\{[^}]*target="(\w+)"[^}]*\} (\S+)$', text, re.MULTILINE)
        return {target: float(value) for target, value in found}


@contextlib.contextmanager
def up(directory: Path, resources: str) -> Iterator[Router]:
    """With these resources; its log is beside them."""
    (directory / "all.yaml").write_text(resources)
    port, admin = free_ports(2)
    command = [sys.executable, "-m", "signalbox.cli", "up", "-f", str(directory)]
    command += ["--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{admin}"]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        _until_ready(f"http://127.0.0.1:{admin}/readyz", process, directory / "log")
        yield Router(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{admin}")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def _until_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(300):
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())
