"""Running the upstream and the load generator, and reading what they counted."""

import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.harness import chat
from benchmarks.harness.errors import BenchError
from benchmarks.harness.native import tool
from benchmarks.harness.processes import free_ports, running, start, tail


class Quantiles(msgspec.Struct, frozen=True):
    """Durations in microseconds."""

    count: int
    p50: float
    p90: float
    p99: float
    p999: float
    max: float
    mean: float


class Counts(msgspec.Struct, frozen=True):
    """The result of one run; what its fields mean stands in native/result.h and native/load.c."""

    seconds: float
    per_second: float
    events_per_second: float
    cpu_seconds: float
    load_cpu_seconds: float
    counted: int
    ok: int
    unfinished: int
    opened: int
    reconnected: int
    waited: int
    unsent: int
    failed: dict[str, int]
    tally: dict[str, int]
    samples: list[str]
    latency_us: Quantiles
    first_event_us: Quantiles
    refused_us: Quantiles

    @property
    def busy(self) -> float:
        """Share of a core that the watched processes used."""
        return self.cpu_seconds / self.seconds

    @property
    def failures(self) -> int:
        """Requests that did not end well, for whatever reason."""
        return sum(self.failed.values()) + self.unfinished


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a run of the generator does; native/load.c explains the options. ``rate`` 0 is a closed loop."""

    bodies: Sequence[bytes]
    seconds: float
    connections: int = 64
    warmup: float = 0.5
    rate: float = 0.0
    ramp: float = 0.0
    grace: float = 0.0
    timeout: float = 60.0
    drop: int = 0
    obey: int = 0
    nice: int = 0
    tally: str = ""
    skip_events: int = 0
    headers: Sequence[str] = chat.HEADERS

    def arguments(self, port: int, pids: Iterable[int], directory: Path) -> list[str | Path]:
        """The command; bodies become files in the directory."""
        command: list[str | Path] = ["nice", "-n", str(self.nice)] if self.nice else []
        command += [tool("load"), "--port", str(port)]
        for header in self.headers:
            command += ["--header", header]
        for content in self.bodies:
            file = directory / f"body-{abs(hash(content)):x}.json"
            file.write_bytes(content)
            command += ["--body", file]
        for name in (
            "connections",
            "seconds",
            "warmup",
            "rate",
            "ramp",
            "grace",
            "timeout",
            "drop",
            "obey",
            "skip_events",
        ):
            command += [f"--{name.replace('_', '-')}", str(getattr(self, name))]
        for pid in pids:
            command += ["--cpu-of", str(pid)]
        return command + (["--tally", self.tally] if self.tally else [])


class Run:
    """A load generator at work."""

    def __init__(self, load: Load, port: int, on: frozenset[int], directory: Path, pids: Iterable[int] = ()) -> None:
        number = len(list(directory.glob("load-*.json")))
        self._output = directory / f"load-{number}.json"
        self.process: subprocess.Popen[bytes] = start(load.arguments(port, pids, directory), on, self._output)

    @property
    def active(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def result(self) -> Counts:
        """Wait for the end. Raises ``BenchError`` when the generator failed."""
        if self.process.wait():
            raise BenchError(f"the load generator failed: {tail(self._output)}")
        return msgspec.json.decode(self._output.read_bytes(), type=Counts)


def run(load: Load, port: int, on: frozenset[int], directory: Path, pids: Iterable[int] = ()) -> Counts:
    """One run from start to end."""
    return Run(load, port, on, directory, pids).result()


@dataclass(frozen=True)
class Upstream:
    """An upstream in C: its process and its ports."""

    pid: int
    ports: tuple[int, ...]


@contextmanager
def upstream(
    on: frozenset[int],
    directory: Path,
    *,
    ports: int = 1,
    chunks: int = 200,
    interval: float = 0.0,
    delay: float = 0.0,
    expect: str = "",
) -> Iterator[Upstream]:
    """Engines that answer at once, or with a pace in seconds; see native/upstream.c."""
    numbers = free_ports(ports)
    command: list[str | Path] = [tool("upstream"), "--chunks", str(chunks), "--expect", expect]
    command += ["--interval-us", str(round(interval * 1e6)), "--delay-us", str(round(delay * 1e6))]
    for number in numbers:
        command += ["--port", str(number)]
    with running(command, on, directory / "upstream.log", numbers) as process:
        yield Upstream(process.pid, tuple(numbers))
