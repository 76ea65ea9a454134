"""The whole corpus against a system: what came of each case, and what that means."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from harness import backend, config, policy
from hostile.asking import Outcome, asked
from hostile.corpus import Case, Family, families
from hostile.engine import Engine
from hostile.systems import Ours, System, ours
from hostile.words import REQUESTS

VERDICTS = ("right", "refused otherwise", "allowed", "accepted wrongly", "crash", "hang", "garbage")


def verdict(case: Case, outcome: Outcome) -> str:
    """One of ``VERDICTS``. ``allowed`` is what a standard, or another purpose, lets others do with a case."""
    text = outcome.text
    if text in case.right:
        return "right"
    if text in {"crash", "garbage"}:
        return text
    if text in {"smuggled", "passed on broken"}:
        return "accepted wrongly"
    if case.allowed:
        return "allowed"
    if text == "hang":
        return text
    if outcome.reached and not any(each.startswith("200") for each in case.right):
        return "accepted wrongly"
    return "refused otherwise"


def requests() -> list[Family]:
    """Everything that hostile clients do."""
    return families("requests", REQUESTS)


@asynccontextmanager
async def router(directory: Path) -> AsyncIterator[tuple[Ours, Engine]]:
    """A router before one sound engine."""
    engine = await Engine("engine").start()
    target = backend(engine)
    try:
        async with ours(config(policy(target), target), directory) as system:
            yield system, engine
    finally:
        await engine.stop()


async def ask_all(family: Family, system: System, engine: Engine) -> Mapping[str, Outcome]:
    """The outcome of each case of a family, by its name."""
    outcomes = [asked(case, number, system, engine) for number, case in enumerate(family.cases)]
    if family.together:
        found = await asyncio.gather(*outcomes)
    else:
        found = [await each for each in outcomes]
    return {case.name: outcome for case, outcome in zip(family.cases, found, strict=True)}
