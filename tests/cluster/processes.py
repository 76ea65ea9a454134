"""The components as processes: they log to files, and never outlive whoever started them."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cluster.errors import ClusterError

LEASH = Path(__file__).with_name("leash.py")
STOP_SECONDS = 10.0
INFORMATION = re.compile(r"I\d{4} ")


class Component:
    """One process, which can be stopped and started again."""

    def __init__(
        self, name: str, command: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name, self.log = name, log
        self.command = [str(part) for part in command]
        self.environment = {**os.environ, **(environment or {})}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it in a process group of its own, so that Ctrl-C leaves it alone until it is stopped in order."""
        leash = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid())]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [*leash, *self.command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.environment,
                process_group=0,
            )
        self.log.with_suffix(".pid").write_text(str(self.process.pid))

    @property
    def pid(self) -> int:
        """Id of the running process."""
        assert self.process
        return self.process.pid

    @property
    def status(self) -> int | None:
        """With what it ended, or None while it runs."""
        return self.process.poll() if self.process else None

    def terminate(self) -> None:
        """Ask it to end."""
        if self.process and self.process.poll() is None:
            self.process.terminate()

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        """Ask it to end, and end it if it does not."""
        self.terminate()
        if self.process:
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()

    def tail(self, lines: int = 15) -> str:
        """The end of its log, without what is only information."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join([line for line in text.splitlines() if not INFORMATION.match(line)][-lines:])


def wait_until(what: str, ready: Callable[[], bool], seconds: float, components: Sequence[Component]) -> None:
    """Wait for a condition. Raises ``ClusterError`` when time is up or a component ends, with what the logs say."""
    deadline = time.monotonic() + seconds
    while not ready():
        ended = [component for component in components if component.status is not None]
        if ended or time.monotonic() > deadline:
            problem = " and ".join(f"{each.name} ended with status {each.status}" for each in ended)
            logs = "\n".join(f"--- {each.name}: {each.log}\n{each.tail()}" for each in ended or components)
            raise ClusterError(f"{what}: {problem or f'not within {seconds:.0f} s'}\n{logs}")
        time.sleep(0.05)


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nothing listens on, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
