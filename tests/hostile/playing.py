"""Doing what the steps of a case say, on either side of a connection."""

import asyncio
from collections.abc import Iterable

from hostile.corpus import Step

# What is sent at once, where a case sends the same many times over.
PIECE = 64 << 10
# Nobody takes bytes for longer than this before closing; units: seconds.
PATIENCE = 12.0


async def play(steps: Iterable[Step], writer: asyncio.StreamWriter) -> None:
    """Send as told. That the other side does not listen any more is no error here."""
    try:
        for step in steps:
            await _play(step, writer)
    except OSError:
        pass


async def _play(step: Step, writer: asyncio.StreamWriter) -> None:
    if step.send:
        whole = max(1, PIECE // len(step.send))
        for sent in range(0, step.times, whole):
            writer.write(step.send * min(whole, step.times - sent))
            await writer.drain()
    if step.wait or step.stall:
        await asyncio.sleep(step.wait or step.stall)
    if step.drip:
        await _drip(step, writer)
    if step.end:
        writer.write_eof()
    if step.leave:
        writer.transport.abort()


async def _drip(step: Step, writer: asyncio.StreamWriter) -> None:
    """Until the other side closes, or has shown that it never will."""
    loop = asyncio.get_running_loop()
    until = loop.time() + PATIENCE
    while loop.time() < until and not writer.transport.is_closing():
        writer.write(step.drip)
        await writer.drain()
        await asyncio.sleep(step.every)
