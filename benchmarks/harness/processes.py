"""Processes on chosen cores, and what they use."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.errors import BenchError

START_SECONDS = 120.0
"""A process that ends is noticed at once; one that lives may be waiting for its core."""
STOP_SECONDS = 15.0
POLL_SECONDS = 0.005
"""Start-up is measured with it."""


@dataclass(frozen=True)
class Cores:
    """Where things run: the proxy under test alone on its core, load generator and upstream on the others."""

    proxy: frozenset[int]
    load: frozenset[int]


def cores() -> Cores:
    """The last usable core is for the proxy. Raises ``BenchError`` when there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        raise BenchError("needs two processor cores: one for the proxy, one for load generator and upstream")
    return Cores(frozenset(usable[-1:]), frozenset(usable[:-1]))


def start(
    command: Sequence[str | Path], on: frozenset[int], output: Path, **environment: str
) -> subprocess.Popen[bytes]:
    """Start a process on cores, its output going to a file."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, on)  # inherited; children cannot run elsewhere even before their first line
    try:
        with output.open("ab") as file:
            return subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env={**os.environ, **environment})
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def running(
    command: Sequence[str | Path], on: frozenset[int], output: Path, ports: Sequence[int], **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that listens on the ports, until the block ends. Raises ``BenchError`` when it does not start."""
    process = start(command, on, output, **environment)
    try:
        for port in ports:
            _await_port(port, process, output)
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that ``start`` began, by force if it must be."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_port(port: int, process: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BenchError(f"{_name(process)} ended with status {process.returncode}:\n{tail(output)}")
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(POLL_SECONDS)
    raise BenchError(
        f"{_name(process)} did not listen on port {port} in {START_SECONDS:.0f} s, in which it had a core for "
        f"{cpu_seconds(process.pid):.1f} s (load {os.getloadavg()[0]:.1f}):\n{tail(output)}"
    )


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has had."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _name(process: subprocess.Popen[bytes]) -> str:
    return Path(str(process.args[0] if isinstance(process.args, (list, tuple)) else process.args)).name


def tail(output: Path, characters: int = 2000) -> str:
    """The end of what a process wrote."""
    return output.read_text(errors="replace")[-characters:]


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on; all of them differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def tree(pid: int) -> list[int]:
    """A process and all that descend from it."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found


@dataclass(frozen=True)
class Memory:
    """In MB (10⁶ bytes): resident, and resident with shared pages divided among those who share them."""

    rss: float
    pss: float


def memory(pid: int) -> Memory:
    """What a process holds now."""
    sizes: dict[str, float] = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, value = line.partition(":")
        sizes[name] = int(value.split()[0]) * 1024 / 1e6
    return Memory(sizes["Rss"], sizes["Pss"])
