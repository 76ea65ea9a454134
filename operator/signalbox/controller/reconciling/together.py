"""Several things at the same time."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar

Result = TypeVar("Result")


class Steps:
    """Work that takes processor time, done in small steps. Whoever has done one waits for ``next``: of all such work
    one step is done at a time, and between two of them everything else has its turn, a Lease above all."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def next(self) -> None:
        """Let others go first."""
        async with self._turn:
            await asyncio.sleep(0)


async def all_of(work: Iterable[Awaitable[Result]]) -> list[Result]:
    """The results in order, when the last one has ended: one that fails leaves nothing running behind it."""
    results = await asyncio.gather(*work, return_exceptions=True)
    found: list[Result] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        found.append(result)
    return found


async def in_turn(work: Iterable[Awaitable[Result]], at_once: int) -> list[Result]:
    """The same for very many, of which only so many are there at a time: ``work`` is asked for the next one when
    another has ended."""
    numbered, results, failures = enumerate(work), dict[int, Result](), list[Exception]()

    async def take() -> None:
        for number, each in numbered:
            try:
                results[number] = await each
            except Exception as error:
                failures.append(error)

    await all_of(take() for _ in range(at_once))
    if failures:
        raise failures[0]
    return [results[number] for number in sorted(results)]
