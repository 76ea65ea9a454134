"""How a new leader begins: at once where all was said before, and elsewhere with a first word about everything new."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from signalbox.controller.reconciling.together import all_of

AT_ONCE = 8
# What takes longer comes with the rest: no namespace waits for another one's troubles.
WELCOME_SECONDS = 60.0

_log = logging.getLogger(__name__)


async def begin(
    namespaces: Iterable[str],
    new: set[str],
    welcome: Callable[[str], Awaitable[None]],
    add: Callable[[str], None],
) -> None:
    """Have all namespaces reconciled. ``new`` ones, with policies about which nothing was said yet, come when of each
    of these it was said whether it is valid: the objects of very many routers take minutes.
    """
    for namespace in namespaces:
        if namespace not in new:
            add(namespace)
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(namespace: str) -> None:
        async with limit:
            try:
                await welcome(namespace)
            except Exception:
                _log.debug("namespace %s: not welcomed", namespace, exc_info=True)  # what is wrong is met again

    with suppress(TimeoutError):
        async with asyncio.timeout(WELCOME_SECONDS):
            await all_of(one(namespace) for namespace in sorted(new))
    for namespace in new:
        add(namespace)
