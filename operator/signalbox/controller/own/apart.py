"""An event loop of its own, in a thread: for what must go on in time while the first loop has much to do."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any


async def apart(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run ``work`` there until it ends. Raises what it raises; whoever cancels this cancels it, and waits for its end.

    What it uses of this loop it must not await: connections are its own.
    """
    loop = asyncio.new_event_loop()
    task = loop.create_task(work())

    def run() -> None:
        try:
            with suppress(asyncio.CancelledError):
                loop.run_until_complete(task)
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    with ThreadPoolExecutor(1, "apart") as executor:
        ended = asyncio.get_running_loop().run_in_executor(executor, run)
        try:
            await asyncio.shield(ended)
        except asyncio.CancelledError:
            with suppress(RuntimeError):  # it has ended just now
                loop.call_soon_threadsafe(task.cancel)
            await asyncio.wait([ended])
            raise
