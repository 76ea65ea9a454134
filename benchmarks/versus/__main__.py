"""``python -m benchmarks.versus``: the comparison, in one run; writes Markdown, a picture and JSON."""

import argparse
import os
import resource
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks import decision
from benchmarks.harness import machine
from benchmarks.harness.bench import Settings
from benchmarks.harness.errors import BenchError
from benchmarks.harness.native import ROOT
from benchmarks.harness.processes import Cores, cores
from benchmarks.harness.report import Report
from benchmarks.versus import goals, picture, tables
from benchmarks.versus.field import SYSTEMS, roster
from benchmarks.versus.measuring import Plan, Run, measure
from benchmarks.versus.records import Machine, Promise, Results

NAME = "latest"


def main() -> int:
    """Exit status 0: the run ended, whatever the figures; 1: it could not run, or --strict and a goal is short."""
    options = _options()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started ends as well
    try:
        with tempfile.TemporaryDirectory(prefix="signalbox-versus-") as scratch:
            directory = options.keep.absolute() if options.keep else Path(scratch)
            directory.mkdir(parents=True, exist_ok=True)
            results, alone = run(cores(), directory, tuple(options.systems or SYSTEMS), quick=options.quick)
    except BenchError as error:
        print(f"the comparison could not run: {error}", file=sys.stderr)
        return 1
    page = write(results, alone, options.output)
    print(page)
    return int(options.strict and any(each.met is False for each in results.promises))


def run(on: Cores, directory: Path, names: tuple[str, ...], *, quick: bool) -> tuple[Results, Report]:
    """The comparison, and then the decision alone. Raises ``BenchError``."""
    say = Settings.tell
    facts, begun, load = machine.facts(), datetime.now(UTC), os.getloadavg()[0]
    started = time.monotonic()
    systems = roster(names, say)
    found = Run(on, directory, Plan.of(quick=quick), say, systems)
    measure(found)
    settings = Settings(on, directory, quick=quick)
    say("the decision alone")
    alone = decision.run(settings)
    systems = [msgspec.structs.replace(each, reason=each.reason or found.failed.get(each.name)) for each in systems]
    about = Machine(
        facts,
        f"{begun:%Y-%m-%d %H:%M} UTC",
        time.monotonic() - started,
        quick,
        settings.where(),
        load,
        os.getloadavg()[0],
    )
    notes = [*found.notes, *([] if load < machine.BUSY else [machine.busy_text(load)])]
    results = Results(about, systems, found.found, notes=notes)
    kept = [*goals.promises(results), *(Promise(each.promise, each.found, each.met) for each in alone.expectations)]
    return msgspec.structs.replace(results, promises=kept), alone


def write(results: Results, alone: Report, folder: Path) -> str:
    """Write the three files; gives the Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    page = tables.markdown(results, f"{NAME}.svg", alone.tables)
    everything = {**msgspec.to_builtins(results), "decision": msgspec.to_builtins(alone)}
    (folder / f"{NAME}.md").write_text(page)
    (folder / f"{NAME}.svg").write_text(picture.draw(results))
    (folder / f"{NAME}.json").write_bytes(msgspec.json.format(msgspec.json.encode(everything)) + b"\n")
    return page


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.versus", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round: shows that it runs, no figures to quote")
    parser.add_argument("--system", dest="systems", action="append", choices=SYSTEMS, help="compare only these")
    parser.add_argument("--output", type=Path, default=ROOT / "results", metavar="DIR", help="where the files go")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a goal falls short")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep logs and configurations in DIR")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
