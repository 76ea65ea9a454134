"""Turns at what must not be done for too many at once, shared fairly between those who may be anybody."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """``most`` at once; of one address ``each``, so that it keeps nobody else waiting."""

    def __init__(self, most: int, each: int) -> None:
        self._all, self._each = asyncio.Semaphore(most), each
        self._own: dict[str, asyncio.Semaphore] = {}
        self._here: dict[str, int] = {}

    @asynccontextmanager
    async def take(self, address: str) -> AsyncIterator[None]:
        """Wait for a turn, and have it."""
        own = self._own.setdefault(address, asyncio.Semaphore(self._each))
        self._here[address] = self._here.get(address, 0) + 1
        try:
            async with own, self._all:
                yield
        finally:
            self._here[address] -= 1
            if not self._here[address]:
                del self._here[address], self._own[address]
