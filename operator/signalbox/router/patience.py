"""Time-outs of what others owe, without the time in which this process stood still.

A loop runs its timers before those who wait hear of what has arrived: after a standstill of a second, a connection that
was made at once would be found to be a second late.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

LEAST_SECONDS = 0.01
"""Enough for the loop to read what has arrived: it counts in milliseconds, and 0 would not let it read at all."""


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """As ``asyncio.timeout``; by as much as the loop is late, and by 10 ms at least, more is given once, ``seconds`` at
    most.

    Raises ``TimeoutError``.
    """
    loop = asyncio.get_running_loop()
    due = loop.time() + seconds
    async with asyncio.timeout(None) as limit:

        def expire() -> None:
            now = loop.time()
            limit.reschedule(now + max(LEAST_SECONDS, min(now - due, seconds)))

        timer = loop.call_at(due, expire)
        try:
            yield
        finally:
            timer.cancel()
