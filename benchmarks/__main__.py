"""``python -m benchmarks [NAME...]``: run benches and print what they found."""

import argparse
import importlib
import resource
import sys
import tempfile
from pathlib import Path

import msgspec

from benchmarks.harness import machine
from benchmarks.harness.bench import Bench, Settings
from benchmarks.harness.candidates import ALL
from benchmarks.harness.errors import BenchError
from benchmarks.harness.processes import cores
from benchmarks.harness.report import Report, render

BENCHES = {
    "throughput": "requests/s and stream events per CPU-second beside Envoy and nginx",
    "latency": "latency added to a direct connection, at half load",
    "memory": "memory of an idle worker",
    "decision": "time of one routing decision, in-process, by number of rules and length of the prompt",
    "classifiers": "what classifiers and objectives cost beside plain shares: microseconds, requests/s",
    "chains": "what a cascade, best of two and consensus cost beside weighted routing",
    "translation": "what it costs that client and backend speak different APIs, in-process",
    "affinity": "cached tokens and latency by affinity, beside two random draws",
    "shedding": "three times what an engine can serve, with shedding and without",
    "overload": "0.5 to 5 times what a router can serve, as a picture",
    "crowd": "64 to 6,000 connections in a closed loop, beside Envoy and nginx",
    "scale": "1 and 2 workers, up to 128 routes and 64 targets: requests/s and memory",
    "soak": "half an hour of mixed traffic with faults and edits of the policy (MINUTES)",
    "streams": "1,000 concurrent streams for a minute",
    "faults": "what clients see when engines fail",
    "reload": "an edit of the policy every 100 ms under load",
    "control": "from an edit to all routers, and the end of a leader, on a real control plane",
    "scraping": "5,000 engines asked for their metrics every 5 s, on one core",
    "loop": "the closed loop beside static weights and least in flight, and what the simulator says",
    "feedback": "the feedback law beside an omniscient scheduler and four others, simulated",
    "quality": "APGR, calibration and cost of trained classifiers, on held-out MMLU and GSM8K",
    "profile": "where a worker's time goes",
}

SOAK = "soak"  # half an hour, which shows no figure to compare


def main() -> int:
    """Exit status 0: every bench ran, whatever its figures; 1: one could not run or --strict and a promise is short."""
    options = _options()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    facts, reports, failed = machine.facts(), [], False
    if options.output == "table":
        print(" · ".join(f"{name} {value}" for name, value in facts.items()))
        if note := machine.busy_note():
            print(f"Note: {note}")
    for name in options.names or (each for each in BENCHES if each != SOAK):
        print(f"{name}: {BENCHES[name]}", file=sys.stderr)
        try:
            report = _run(name, quick=options.quick, candidates=tuple(options.candidates or ALL), keep=options.keep)
        except BenchError as error:
            print(f"\n{name} could not run: {error}", file=sys.stderr)
            failed = True
            continue
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr)
        reports.append(report)
        if options.output == "table":
            print(f"\n{render(report)}", flush=True)
    if options.output == "json":
        print(
            msgspec.json.format(
                msgspec.json.encode({"machine": facts, "quick": options.quick, "benches": reports})
            ).decode()
        )
    short = any(not e.met for report in reports for e in report.expectations)
    return int(failed or (options.strict and short))


def _options() -> argparse.Namespace:
    names = "\n".join(f"  {name:<11} {text}" for name, text in BENCHES.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=f"Measure Signalbox; the comparison with its peers is python -m benchmarks.versus.\n\n{names}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "names", nargs="*", choices=[*BENCHES, []], metavar="NAME", help="which benches; default all but soak"
    )
    parser.add_argument("--quick", action="store_true", help="short rounds: shows that it runs, not figures to quote")
    parser.add_argument("--candidate", dest="candidates", action="append", choices=ALL, help="compare only these")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a promise falls short")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep logs and configurations in DIR")
    return parser.parse_args()


def _run(name: str, *, quick: bool, candidates: tuple[str, ...], keep: Path | None) -> Report:
    # profile is a module of the standard library
    module = {"profile": "profiling", "quality": "routing_quality.bench"}.get(name, name)
    bench: Bench = importlib.import_module(f"benchmarks.{module}").run
    with tempfile.TemporaryDirectory(prefix=f"signalbox-{name}-") as scratch:
        directory = Path(scratch)
        if keep:
            directory = keep.absolute() / name
            directory.mkdir(parents=True, exist_ok=True)
        return bench(Settings(cores(), directory, quick=quick, candidates=candidates))


if __name__ == "__main__":
    sys.exit(main())
