"""All objects of a kind, now and for ever: list, then watch, then list again whenever the thread is lost.

Losing the thread is normal: versions expire (410, as a status or inside the stream), servers restart, connections hang.
A list in between also tells what was deleted meanwhile, which no watch would.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Protocol

from signalbox.kube.client import Client, Object
from signalbox.kube.errors import ApiError
from signalbox.kube.resources import Resource

WATCH_SECONDS = 300.0
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0

_log = logging.getLogger(__name__)


class Sink(Protocol):
    """Who wants to know."""

    def replaced(self, resource: Resource, namespace: str | None, objects: list[Object]) -> None:
        """These are all that there are in a namespace, or anywhere."""

    def changed(self, resource: Resource, event: str, obj: Object) -> None:
        """One was ADDED, MODIFIED or DELETED."""


async def follow(
    client: Client,
    resource: Resource,
    namespace: str | None,
    sink: Sink,
    *,
    metadata_only: bool = False,
    pause: Callable[[float], float] = lambda seconds: seconds * random.uniform(0.5, 1.0),  # noqa: S311 - jitter
    **query: str,
) -> None:
    """Tell the sink for ever. ``pause`` gives the wait after a failure, from its undisturbed length in seconds."""
    failures = 0
    while True:
        try:
            objects, version = await client.list(resource, namespace, metadata_only=metadata_only, **query)
            sink.replaced(resource, namespace, objects)
            failures = 0
            while True:
                async for event, obj in client.watch(
                    resource, namespace, version, seconds=WATCH_SECONDS, metadata_only=metadata_only, **query
                ):
                    version = obj["metadata"]["resourceVersion"]
                    if event != "BOOKMARK":
                        sink.changed(resource, event, obj)
        except ApiError as error:
            if error.gone:
                await asyncio.sleep(pause(FIRST_PAUSE))
                continue
            failures += 1
            wait = max(error.retry_after or 0.0, pause(min(FIRST_PAUSE * 2 ** (failures - 1), LONGEST_PAUSE)))
            _log.warning("%s: %s; again in %.1f s", resource.plural, error, wait)
            await asyncio.sleep(wait)
