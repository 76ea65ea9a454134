"""Waiting in the loop for what is bound to come, and leaving it."""

import asyncio
from collections.abc import Callable, Mapping

PATIENCE = 60.0
"""Seconds after which it will not come any more, on a machine that is busy with other tests."""


async def until(condition: Callable[[], object]) -> None:
    """Let the loop run until a condition holds. Raises ``TimeoutError``."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.005)


async def hang_up() -> None:
    """End all connections of the loop, before it ends. A request over TLS that was cut off leaves one that says goodbye
    first; closing its session does not wait for that, and the garbage collector would fail a later test for it."""
    transports: Mapping[int, asyncio.Transport] = asyncio.get_running_loop()._transports  # type: ignore[attr-defined]
    for transport in list(transports.values()):
        transport.abort()
    await asyncio.sleep(0)
