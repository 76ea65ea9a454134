"""The whole corpus against a system: what came of each case, and what that means."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import msgspec
from scenes import in_order

from harness import backend, config, policy
from hostile.answering import answered
from hostile.asking import Outcome, asked
from hostile.corpus import Case, Family, families
from hostile.engine import Engine
from hostile.secure import WORDS, Certified
from hostile.systems import WHOLE_SECONDS, Ours, System, ours
from hostile.words import ENGINES, REQUESTS
from signalbox.routing.config import Policy, Timeouts

All = Callable[[Family, System, Engine], Awaitable[Mapping[str, Outcome]]]
VERDICTS = ("right", "refused otherwise", "allowed", "accepted wrongly", "crash", "hang", "garbage")


def verdict(case: Case, outcome: Outcome) -> str:
    """One of ``VERDICTS``. ``allowed`` is what a standard, or another purpose, lets others do with a case."""
    text = outcome.text
    if text in case.right:
        return "right"
    if text == "crash":
        return text
    if text in {"smuggled", "passed on broken"}:
        return "accepted wrongly"
    if case.allowed:
        return "allowed"
    if text in {"hang", "garbage"}:
        return text
    if outcome.reached and not any(each.startswith(("200", "answer")) for each in case.right):
        return "accepted wrongly"
    return "refused otherwise"


def requests() -> list[Family]:
    """Everything that hostile clients do."""
    return families("requests", REQUESTS)


def tls() -> list[Family]:
    """What they do where TLS is spoken."""
    return families("tls", {**REQUESTS, **WORDS})


def two_workers() -> list[Family]:
    """What they do to two workers."""
    return families("workers", REQUESTS)


def engines_of_two_workers() -> list[Family]:
    """What engines do to two workers."""
    return families("workers_engines", ENGINES)


def engines() -> list[Family]:
    """Everything that hostile engines do."""
    return families("engines", ENGINES)


@asynccontextmanager
async def router(
    directory: Path, *, workers: int = 1, certified: Certified | None = None
) -> AsyncIterator[tuple[Ours, Engine]]:
    """A router before one sound engine."""
    engine = await Engine("engine").start()
    target, native = backend(engine), backend(engine, "native", format="Anthropic")
    policies = [policy(target), policy(native, name="native")]
    configuration = config(policies, target, native)
    try:
        async with ours(configuration, directory, workers=workers, certified=certified) as system:
            yield system, engine
    finally:
        await engine.stop()


async def ask_all(family: Family, system: System, engine: Engine) -> Mapping[str, Outcome]:
    """The outcome of each case of a family, by its name: the worst of its rounds."""
    worst: dict[str, Outcome] = {}
    for _ in range(family.rounds):
        outcomes = [
            asked(case, number, system, engine, beneath=family.beneath, together=family.together, speaks=family.speaks)
            for number, case in enumerate(family.cases)
        ]
        found = await asyncio.gather(*outcomes) if family.together else [await each for each in outcomes]
        _keep(worst, family, found)
    return worst


@asynccontextmanager
async def two_engines(
    directory: Path,
    *,
    workers: int = 1,
    certified: Certified | None = None,
    played: Callable[[], list[Family]] = engines,
) -> AsyncIterator[tuple[Ours, Engine]]:
    """A router before a hostile engine, with a model for each case, and a good one, which is asked next."""
    formats = {model(family, case): family.format for family in played() for case in family.cases}
    first = await Engine("first", {model(family, case): case for family in played() for case in family.cases}).start()
    good = await Engine("good").start()
    patience = Timeouts(connect_ms=1_000, first_token_ms=1_500, idle_ms=1_000, request_ms=int(WHOLE_SECONDS * 1000))
    second = backend(good)
    hostile = [backend(first, name, model=name, timeouts=patience, format=formats[name]) for name in first.cases]
    policies: list[Policy] = [
        msgspec.structs.replace(in_order(each, second), name=each.name, models=(each.name,)) for each in hostile
    ]
    try:
        async with ours(config(policies, *hostile, second), directory, workers=workers, certified=certified) as system:
            yield system, first
    finally:
        await first.stop()
        await good.stop()


two_engines_of_two_workers = partial(two_engines, played=engines_of_two_workers)


async def answer_all(family: Family, system: System, engine: Engine) -> Mapping[str, Outcome]:
    """The outcome of each case of a family of engines, by its name."""
    worst: dict[str, Outcome] = {}
    for _ in range(family.rounds):
        outcomes = [answered(case, model(family, case), family, system, engine) for case in family.cases]
        found = await asyncio.gather(*outcomes) if family.together else [await each for each in outcomes]
        _keep(worst, family, found)
    return worst


def _keep(worst: dict[str, Outcome], family: Family, found: Sequence[Outcome]) -> None:
    for case, outcome in zip(family.cases, found, strict=True):
        if case.name not in worst or verdict(case, outcome) != "right":
            worst[case.name] = outcome


def model(family: Family, case: Case) -> str:
    """What a client asks for, to be answered by an engine that plays the case."""
    return f"{family.name}-{family.cases.index(case)}"
