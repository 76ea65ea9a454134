"""Several things at the same time."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar

Result = TypeVar("Result")


async def all_of(work: Iterable[Awaitable[Result]]) -> list[Result]:
    """The results in order, when the last one has ended: one that fails leaves nothing running behind it."""
    results = await asyncio.gather(*work, return_exceptions=True)
    found: list[Result] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        found.append(result)
    return found
