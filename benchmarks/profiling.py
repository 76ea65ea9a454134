"""Where a worker's time goes under full load: by function (py-spy) and by library (perf, where it is installed)."""

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

from benchmarks.harness import chat
from benchmarks.harness.bench import Settings
from benchmarks.harness.errors import BenchError
from benchmarks.harness.load import Load, Run, upstream
from benchmarks.harness.report import Cell, Report, Table
from benchmarks.harness.router import signalbox, write_resources

SAMPLES_PER_SECOND = 500
TOP = 25


def run(settings: Settings) -> Report:
    """Unary requests in a closed loop, then paced streams; the samples of each are shown apart."""
    seconds = settings.choose(10, 3)
    sampler = Path(sys.executable).with_name("py-spy")
    if not sampler.exists():
        raise BenchError("py-spy is missing: pip install 'signalbox[bench]' (make bench does it)")
    report = Report(
        "profile",
        f"{settings.where()}. One worker, policy of eight conditions; {SAMPLES_PER_SECOND} samples a second for "
        f"{seconds:.0f} s. Self: the function itself and the C code that it calls; total: with the Python it calls.",
    )
    loads = {
        "unary": Load(bodies=[chat.body()], seconds=seconds + 6),
        "streams": Load(bodies=[chat.body(stream=True)], seconds=seconds + 6, connections=300, ramp=1, timeout=120),
    }
    with upstream(settings.cores.load, settings.directory, ports=2, interval=0.01) as engines:
        small, strong = engines.ports
        resources = write_resources(settings.directory / "resources", "rules.yaml", small=small, strong=strong).parent
        with signalbox(resources, settings.cores.proxy, settings.directory) as router:
            worker = router.worker()
            for name, load in loads.items():
                settings.tell(f"profile of {name}")
                busy = Run(load, router.port, settings.cores.load, settings.directory, [worker])
                stacks = _sample(name, sampler, worker, seconds, settings)
                libraries = _perf(worker, settings)
                counts = busy.result()
                report.tables += _functions(name, stacks)
                if libraries:
                    report.tables.append(_table(f"{name}: by library (perf)", "library", libraries, 12))
                rate = counts.events_per_second or counts.per_second
                report.notes.append(
                    f"{name}: {rate:,.0f} a second while sampled (sampling slows it), {counts.busy:.0%} of a core"
                )
    return report


def _sample(name: str, sampler: Path, pid: int, seconds: float, settings: Settings) -> list[tuple[list[str], int]]:
    output = settings.directory / f"stacks-{name}.txt"
    command: list[str | Path] = [
        sampler,
        "record",
        "--pid",
        str(pid),
        "--duration",
        str(round(seconds)),
        "--format",
        "raw",
    ]
    command += ["--rate", str(SAMPLES_PER_SECOND), "--function", "--output", output]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not output.exists():
        raise BenchError(f"py-spy could not look into the worker (root, or ptrace rights, are needed):\n{done.stderr}")
    stacks = []
    for line in output.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        stacks.append((stack.split(";"), int(count)))
    return stacks


def _functions(name: str, stacks: list[tuple[list[str], int]]) -> list[Table]:
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for frames, count in stacks:
        own[_shorten(frames[-1])] += count
        for frame in set(map(_shorten, frames)):
            total[frame] += count
    everything = sum(own.values()) or 1
    rows: list[tuple[Cell, ...]] = [
        (frame, count / everything * 100, total[frame] / everything * 100) for frame, count in own.most_common(TOP)
    ]
    callers: list[tuple[Cell, ...]] = [(frame, count / everything * 100) for frame, count in total.most_common(TOP)]
    return [
        Table(f"{name}: by function itself (py-spy)", ("function", "self %", "total %"), rows),
        Table(f"{name}: with what it calls (py-spy)", ("function", "total %"), callers),
    ]


def _shorten(frame: str) -> str:
    function, _, place = frame.partition(" (")
    return f"{place.rstrip(')').rpartition('signalbox/')[2]}  {function}" if place else frame


def _perf(pid: int, settings: Settings) -> list[tuple[str, float]]:
    """Shares in percent by shared object; empty where perf is missing or may not be used."""
    if not shutil.which("perf"):
        return []
    data = settings.directory / "perf.data"
    command: list[str | Path] = ["perf", "record", "-q", "-F", "999", "-p", str(pid), "-o", data, "--", "sleep", "2"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        return []
    shown = subprocess.run(
        ["perf", "report", "-q", "-i", data, "--sort", "dso", "--stdio"], capture_output=True, text=True, check=False
    )
    found = []
    for line in shown.stdout.splitlines():
        share, _, library = line.strip().partition("%")
        if library:
            found.append((library.strip(), float(share)))
    return found


def _table(title: str, column: str, shares: list[tuple[str, float]], top: int) -> Table:
    rows: list[tuple[Cell, ...]] = [(name, share) for name, share in shares[:top]]
    return Table(title, (column, "%"), rows)
