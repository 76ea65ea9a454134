"""Work beside other work: a defect in it ends neither the others nor, in silence, itself."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

DEFECT_SECONDS = 5.0

_log = logging.getLogger(__name__)


async def for_ever(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do it again whenever it ends, until cancelled."""
    while True:
        try:
            await work()
        except Exception:
            _log.exception("%s: a defect; it starts again in %.0f s", name, DEFECT_SECONDS)
        await asyncio.sleep(DEFECT_SECONDS)
