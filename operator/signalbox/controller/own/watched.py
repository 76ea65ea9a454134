"""One object of the operator's own, by name: what it is now, and a word when it changes."""

import asyncio
from collections.abc import Collection
from contextlib import suppress

from signalbox.controller.watching.listings import Listings
from signalbox.kube.client import Client, Object
from signalbox.kube.resources import Resource
from signalbox.kube.watch import DEFAULT, follow


class Own:
    """``live`` is None where it does not exist, or before it is ``known``; ``changes`` counts what happened to it.
    ``listings`` hear how it goes."""

    def __init__(self, client: Client, resource: Resource, namespace: str, name: str, listings: Listings) -> None:
        self._client, self.resource, self.namespace, self.name = client, resource, namespace, name
        self._listings = listings
        self._news = asyncio.Event()
        self.live: Object | None = None
        self.known = asyncio.Event()
        self.changes = 0

    async def follow(self) -> None:
        """Watch it for ever."""
        longest = DEFAULT.relist + DEFAULT.watch
        progress = self._listings.expect(self.resource, self.namespace or None, longest, self.name)
        selector = f"metadata.name={self.name}"
        await follow(self._client, self.resource, self.namespace, self, progress=progress, fieldSelector=selector)

    def replaced(self, resource: Resource, namespace: str | None, objects: Collection[Object], version: str) -> None:
        """All that there is of this name."""
        self._set(next(iter(objects), None))

    def changed(self, resource: Resource, event: str, obj: Object) -> None:
        """What happened to it."""
        self._set(None if event == "DELETED" else obj)

    async def news(self, seen: int, seconds: float | None = None) -> None:
        """Wait until there are more ``changes`` than were ``seen``, or for so long. Some may have come meanwhile."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.changes == seen:
                    await self._news.wait()

    def _set(self, live: Object | None) -> None:
        self.live = live
        self.changes += 1
        self.known.set()
        self._news.set()
        self._news = asyncio.Event()
