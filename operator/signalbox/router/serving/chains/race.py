"""Calls side by side, taken as they end; whoever is not waited for any more is cancelled."""

import asyncio
from collections.abc import Coroutine, Sequence
from types import TracebackType
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


class Race(Generic[Result]):
    """``async with Race(works) as race: async for place, result in race: …``; leaving it cancels what still runs.

    What a work raises is raised here: what is expected of it, it returns.
    """

    def __init__(self, works: Sequence[Coroutine[Any, Any, Result]]) -> None:
        self._works = works
        self._ended: asyncio.Queue[tuple[int, asyncio.Task[Result]]] = asyncio.Queue()
        self._tasks: list[asyncio.Task[Result]] = []
        self._left = len(works)

    async def __aenter__(self) -> "Race[Result]":
        loop = asyncio.get_running_loop()
        for place, work in enumerate(self._works):
            task = loop.create_task(work)
            task.add_done_callback(lambda task, place=place: self._ended.put_nowait((place, task)))  # type: ignore[misc]
            self._tasks.append(task)
        return self

    def __aiter__(self) -> "Race[Result]":
        return self

    async def __anext__(self) -> tuple[int, Result]:
        if not self._left:
            raise StopAsyncIteration
        place, task = await self._ended.get()
        self._left -= 1
        return place, task.result()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
