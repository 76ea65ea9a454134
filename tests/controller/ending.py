"""The end of kopf, for which the operator does not wait long."""

import asyncio
import gc
import threading

KOPF_SECONDS = 20.0


async def kopf_ended() -> None:
    """Wait for its threads. Connections that they left open fail the test that does so, and not a later one."""
    for thread in threading.enumerate():
        if thread.name == "kopf":
            await asyncio.to_thread(thread.join, KOPF_SECONDS)
            assert not thread.is_alive()
    gc.collect()
