"""Waiting in the loop for what is bound to come."""

import asyncio
from collections.abc import Callable

PATIENCE = 60.0
"""Seconds after which it will not come any more, on a machine that is busy with other tests."""


async def until(condition: Callable[[], object]) -> None:
    """Let the loop run until a condition holds. Raises ``TimeoutError``."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.005)
