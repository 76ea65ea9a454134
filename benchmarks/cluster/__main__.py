"""``python -m benchmarks.cluster [NAME...]``: promises of operator and routers, on a node with pods that run."""

import argparse
import importlib
import sys
import tempfile
from pathlib import Path

from benchmarks.cluster.stand import standing
from benchmarks.harness import machine
from benchmarks.harness.bench import Settings
from benchmarks.harness.processes import cores
from benchmarks.harness.report import render

SCENARIOS = {
    "reaction": "from apply to the first answer, and from an edit to every router",
    "failover": "the leader killed, and ended cleanly",
    "restarts": "rollout restart of routers and operator under 200 streams; kubectl scale stays",
    "rotation": "a credential rotated under load, of a Service and of a sidecar",
    "feedback": "an engine throttled, until every router sends it less; and no operator meanwhile",
    "absence": "no operator for five minutes under load, while pods are replaced",
}


def main() -> int:
    """Exit status 0: every scenario ran; 1: with --strict, a promise is short."""
    names = "\n".join(f"  {name:<10} {text}" for name, text in SCENARIOS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cluster",
        description=f"{__doc__}\n\n{names}\n\nNeeds root on Linux; the first one always runs.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", choices=[*SCENARIOS, []], metavar="NAME", help="which; default all")
    parser.add_argument("--quick", action="store_true", help="shorter: shows that it runs, not figures to quote")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a promise falls short")
    options = parser.parse_args()
    wanted = [name for name in SCENARIOS if name == "reaction" or name in (options.names or SCENARIOS)]
    short = False
    print(" · ".join(f"{name} {value}" for name, value in machine.facts().items()))
    with tempfile.TemporaryDirectory() as scratch, standing(Settings.tell) as stand:
        settings = Settings(cores(), Path(scratch), quick=options.quick)
        for name in wanted:
            print(f"{name}: {SCENARIOS[name]}", file=sys.stderr)
            report = importlib.import_module(f"benchmarks.cluster.{name}").run(stand, settings)
            print(f"\n{render(report)}", flush=True)
            short |= any(not each.met for each in report.expectations)
    return int(options.strict and short)


if __name__ == "__main__":
    sys.exit(main())
