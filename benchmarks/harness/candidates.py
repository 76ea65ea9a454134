"""The candidates of a comparison, all running at once and loaded in turn, so that a noisy minute hits all alike."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.harness import peers
from benchmarks.harness.errors import BenchError
from benchmarks.harness.load import Counts, Load, Upstream, run, upstream
from benchmarks.harness.processes import Cores, tree
from benchmarks.harness.router import fetch, signalbox, write_resources

DIRECT, ENVOY, NGINX, SIGNALBOX = "direct", "envoy", "nginx", "signalbox"
ALL = (DIRECT, ENVOY, NGINX, SIGNALBOX)


@dataclass(frozen=True)
class Candidate:
    """Something that can be loaded: its port, and the process at the root of what it uses (None: nothing between)."""

    name: str
    port: int
    root: int | None

    def processes(self) -> list[int]:
        """What its processor time is summed over."""
        return tree(self.root) if self.root else []


@dataclass
class Field:
    """All candidates of a comparison and the upstream behind them; ``absent`` says who is missing and why."""

    upstream: Upstream
    cores: Cores
    directory: Path
    candidates: list[Candidate] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)

    def run(self, candidate: Candidate, load: Load) -> Counts:
        """Load one candidate and check that it did its work. Raises ``BenchError`` when requests failed."""
        counts = run(load, candidate.port, self.cores.load, self.directory, candidate.processes())
        if counts.failed:
            raise BenchError(f"{candidate.name}: requests failed: {counts.failed}; {counts.samples[:2]}")
        if not counts.per_second and not counts.events_per_second:
            raise BenchError(f"{candidate.name}: nothing was served")
        stats = self.forget()
        if candidate.name == SIGNALBOX and stats["expected"] < stats["requests"]:
            raise BenchError(f"signalbox rewrote {stats['expected']} of {stats['requests']} models")
        return counts

    def forget(self) -> dict[str, int]:
        """What the upstream received since it was last asked; it counts anew from here."""
        stats: dict[str, int] = json.loads(fetch(f"http://127.0.0.1:{self.upstream.ports[0]}/stats"))
        return stats

    def rounds(self, count: int, load: Load, tell: Callable[[str], None]) -> dict[str, list[Counts]]:
        """Load the candidates in turn, several times; the first of a round changes from round to round."""
        found: dict[str, list[Counts]] = {each.name: [] for each in self.candidates}
        for number in range(count):
            shift = number % len(self.candidates)
            for candidate in self.candidates[shift:] + self.candidates[:shift]:
                tell(f"round {number + 1} of {count}: {candidate.name}")
                found[candidate.name].append(self.run(candidate, load))
        return found


@contextmanager
def candidates(
    names: tuple[str, ...], cores: Cores, directory: Path, *, chunks: int = 200, interval: float = 0.0
) -> Iterator[Field]:
    """Start the candidates, the proxies on their core. A missing nginx is noted; all else that is missing raises."""
    with ExitStack() as stack:
        engines = stack.enter_context(
            upstream(cores.load, directory, ports=2, chunks=chunks, interval=interval, expect='"bench-s')
        )
        found = Field(engines, cores, directory)
        small, strong = engines.ports
        if DIRECT in names:
            found.candidates.append(Candidate(DIRECT, small, None))
        if ENVOY in names:
            port, pid = stack.enter_context(peers.envoy(small, cores.proxy, directory))
            found.candidates.append(Candidate(ENVOY, port, pid))
            found.versions.append(f"Envoy {peers.envoy_program()[1]}")
        if NGINX in names:
            try:
                port, pid = stack.enter_context(peers.nginx(small, cores.proxy, directory))
                found.candidates.append(Candidate(NGINX, port, pid))
                found.versions.append(f"nginx {peers.nginx_program()[1]}")
            except BenchError as error:
                found.absent.append(f"nginx is left out: {error}")
        if SIGNALBOX in names:
            resources = write_resources(directory / "resources", "rules.yaml", small=small, strong=strong).parent
            router = stack.enter_context(signalbox(resources, cores.proxy, directory))
            found.candidates.append(Candidate(SIGNALBOX, router.port, router.pid))
        yield found
