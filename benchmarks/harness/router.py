"""The router under test: ``signalbox up`` over a directory, and simulated engines."""

import json
import os
import signal
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import msgspec

from benchmarks.harness import chat
from benchmarks.harness.errors import BenchError
from benchmarks.harness.native import ROOT
from benchmarks.harness.processes import free_ports, running, tree
from signalbox.local.resources import Options
from signalbox.local.workspace import read
from signalbox.router.process.forked import NAME

PROGRAM = Path(sys.executable).with_name("signalbox")
POLICIES = ROOT / "policies"
READY_SECONDS = 20.0


@dataclass(frozen=True)
class Router:
    """A running ``signalbox up``. ``directory`` holds its resources, ``log`` its output with the access log."""

    pid: int
    port: int
    admin: int
    directory: Path
    log: Path

    def processes(self) -> list[int]:
        """The supervisor and its workers."""
        return tree(self.pid)

    def workers(self) -> list[int]:
        """The processes that serve."""
        return [pid for pid in self.processes()[1:] if _serves(pid)]

    def worker(self) -> int:
        """The process that serves. Raises ``BenchError`` when there is not exactly one."""
        workers = self.workers()
        if len(workers) != 1:
            raise BenchError(f"one worker was expected, there are {len(workers)}")
        return workers[0]

    def total(self, family: str, *labels: str) -> float:
        """The sum of a metric's samples that have all of the labels (``name="value"``).

        Raises ``BenchError`` for a metric that the router does not have: a misspelt one would read as a perfect 0.
        """
        lines = fetch(f"http://127.0.0.1:{self.admin}/metrics").decode().splitlines()
        if not any(line.startswith(f"# TYPE {family} ") for line in lines):
            raise BenchError(f"the router has no metric {family}")
        samples = [line for line in lines if line.startswith((f"{family} ", f"{family}{{"))]
        return sum(float(line.rpartition(" ")[2]) for line in samples if all(label in line for label in labels))

    def access_log(self) -> list[dict[str, Any]]:
        """The lines of finished requests."""
        lines = []
        for line in self.log.read_text(errors="replace").splitlines():
            if line.startswith("{"):
                with suppress(json.JSONDecodeError):
                    lines.append(json.loads(line))
        return [line for line in lines if "durationMs" in line or "status" in line]


def _serves(pid: int) -> bool:
    with suppress(OSError):
        process = Path(f"/proc/{pid}")
        # A worker of the command was forked from it; others are programs of their own.
        return (process / "comm").read_text().strip() == NAME or b"signalbox.router" in (
            process / "cmdline"
        ).read_bytes()
    return False


def fetch(url: str, data: bytes | None = None) -> bytes:
    """The body of a small HTTP answer. Raises ``OSError``."""
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as response:
        body: bytes = response.read()
        return body


def ask(port: int, body: bytes) -> bytes:
    """The answer to one chat completion. Raises ``OSError``, and ``HTTPError`` for a status that is none of success."""
    headers = dict(line.split(": ", 1) for line in chat.HEADERS)
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/chat/completions", data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        answer: bytes = response.read()
        return answer


def write_resources(directory: Path, policy: str, **values: object) -> Path:
    """Fill in a file of benchmarks/policies, in place of what the directory holds, at once for whoever watches it."""
    directory.mkdir(exist_ok=True)
    text = Template((POLICIES / policy).read_text()).substitute(client_key=chat.CLIENT_KEY, **values)
    scratch = directory / f".{policy}.new"
    scratch.write_text(text)
    return scratch.replace(directory / policy)


@contextmanager
def signalbox(resources: Path, on: frozenset[int], directory: Path, *, workers: int = 1) -> Iterator[Router]:
    """``signalbox up`` with one worker, or several, and its access log as by default, until the block ends."""
    port, admin = free_ports(2)
    command: list[str | Path] = [PROGRAM, "up", "-f", resources, "--workers", str(workers)]
    command += ["--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{admin}"]
    log = directory / "signalbox.log"
    with running(command, on, log, [port, admin]) as process:
        router = Router(process.pid, port, admin, resources, log)
        _await_ready(router)
        yield router


@dataclass(frozen=True)
class Mounted:
    """What the operator compiles, as files that a pod mounts."""

    config: Path
    secrets: Path


def mount(resources: Path, directory: Path) -> Mounted:
    """Compile resources as the operator does. Raises ``BenchError``."""
    workspace = read(Options(path=resources))
    if workspace.errors:
        raise BenchError("\n".join(f"{one.location}: {one.problem.message}" for one in workspace.errors))
    (planned,) = workspace.plan.routers
    mounted = Mounted(directory / "config", directory / "secrets")
    for folder in (mounted.config, mounted.secrets):
        folder.mkdir(exist_ok=True)
    (mounted.config / "config.json").write_bytes(msgspec.json.encode(planned.config))
    for entry, content in workspace.secrets(planned).items():
        (mounted.secrets / entry).write_bytes(content)
    return mounted


@contextmanager
def mounted_router(mounted: Mounted, on: frozenset[int], directory: Path) -> Iterator[tuple[int, int]]:
    """``signalbox router`` as in a pod, with one worker and its access log, until the block ends: port and process."""
    port, admin = free_ports(2)
    command: list[str | Path] = [PROGRAM, "router", "--workers", "1", "--grace", "0", "--drain-timeout", "5"]
    command += ["--config-dir", mounted.config, "--secrets-dir", mounted.secrets, "--allow-cidr", "127.0.0.0/8"]
    command += ["--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{admin}"]
    with running(command, on, directory / "router.log", [port]) as process:
        yield port, process.pid


def _await_ready(router: Router) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        with suppress(OSError):
            fetch(f"http://127.0.0.1:{router.admin}/readyz")
            return
        if time.monotonic() > deadline:
            raise BenchError(f"signalbox up was not ready in {READY_SECONDS:.0f} s; see {router.log}")
        time.sleep(0.05)


@contextmanager
def engine(name: str, port: int, on: frozenset[int], directory: Path, *options: str) -> Iterator[int]:
    """``signalbox sim``, one engine: gives its process."""
    command: list[str | Path] = [PROGRAM, "sim", "--listen", f"127.0.0.1:{port}", "--name", name, *options]
    with running(command, on, directory / f"engine-{name}.log", [port]) as process:
        yield process.pid


def kill(pid: int) -> None:
    """End an engine at once, as the kernel does when memory runs out."""
    os.kill(pid, signal.SIGKILL)


def set_fault(port: int, **fault: Any) -> None:
    """Switch the faults of a simulated engine; none makes it healthy."""
    fetch(f"http://127.0.0.1:{port}/sim/faults", json.dumps(fault).encode())
