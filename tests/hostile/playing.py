"""Doing what the steps of a case say, on either side of a connection."""

import asyncio
from collections.abc import Iterable

from hostile.corpus import Step
from hostile.secure import Secure

# What is sent at once, where a case sends the same many times over.
PIECE = 64 << 10
# Nobody takes bytes for longer than this before closing; units: seconds.
PATIENCE = 12.0

Writer = asyncio.StreamWriter | Secure


async def play(steps: Iterable[Step], writer: Writer) -> None:
    """Send as told. That the other side does not listen any more is no error here."""
    try:
        for step in steps:
            await _play(step, writer)
    except OSError:
        pass


async def _play(step: Step, writer: Writer) -> None:
    beneath = writer.beneath if isinstance(writer, Secure) else writer
    if step.crumbs:
        await _crumble(step, writer)
    elif step.send:
        whole = max(1, PIECE // len(step.send))
        for sent in range(0, step.times, whole):
            writer.write(step.send * min(whole, step.times - sent))
            await writer.drain()
    if step.beneath:
        beneath.write(step.beneath)
    if step.stall:
        await _stall(step, writer)
    if step.wait:
        await asyncio.sleep(step.wait)
    if step.drip:
        await _drip(step, writer)
    if step.end:
        writer.write_eof()
    if step.cut and isinstance(writer, Secure):
        writer.cut()
    if step.leave:
        writer.transport.abort()


async def _stall(step: Step, writer: Writer) -> None:
    """What is read of a plain connection is the listener's own business."""
    if isinstance(writer, Secure):
        writer.reading.clear()
    await asyncio.sleep(step.stall)
    if isinstance(writer, Secure):
        writer.reading.set()


async def _crumble(step: Step, writer: Writer) -> None:
    """One byte at a time, until the other side closes."""
    data, through = step.send * step.times, writer
    if step.crumbs == "packets" and isinstance(writer, Secure):
        data, through = writer.wrapped(data), writer.beneath
    for byte in data:
        if writer.transport.is_closing():
            return
        through.write(bytes((byte,)))
        await asyncio.sleep(step.every)


async def _drip(step: Step, writer: Writer) -> None:
    """Until the other side closes, or has shown that it never will."""
    loop = asyncio.get_running_loop()
    until = loop.time() + PATIENCE
    while loop.time() < until and not writer.transport.is_closing():
        writer.write(step.drip)
        await writer.drain()
        await asyncio.sleep(step.every)
