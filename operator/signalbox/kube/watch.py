"""All objects of a kind, now and for ever: list, then watch, then list again whenever the thread is lost.

Losing the thread is normal: versions expire (410, as a status or inside the stream), servers restart, streams are cut
or say nothing any more. A stream that ended is taken up where it was; only where the server has forgotten that place,
and now and then in any case, everything is listed again. A list also tells what was deleted meanwhile.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from signalbox.kube.client import Client, Object
from signalbox.kube.errors import ApiError
from signalbox.kube.resources import Resource

_log = logging.getLogger(__name__)


class Sink(Protocol):
    """Who wants to know."""

    def replaced(self, resource: Resource, namespace: str | None, objects: Collection[Object], version: str) -> None:
        """These were all that there are in a namespace, or anywhere, at a version."""

    def changed(self, resource: Resource, event: str, obj: Object) -> None:
        """One was ADDED, MODIFIED or DELETED."""


class Progress(Protocol):
    """Who wants to know how it goes."""

    def listed(self) -> None:
        """All has been read."""

    def heard(self) -> None:
        """The server answers."""

    def refused(self, error: ApiError) -> None:
        """It does not, or not with what was asked for."""


class _Nobody:
    def listed(self) -> None: ...
    def heard(self) -> None: ...
    def refused(self, error: ApiError) -> None: ...


NOBODY = _Nobody()


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(0.5, 1.0)  # noqa: S311 - nothing depends on its being hard to guess


@dataclass(frozen=True)
class Timing:
    """Seconds. ``silence`` ends a stream that says nothing: the server sends a bookmark every minute."""

    watch: float = 300.0
    silence: float = 90.0
    relist: float = 600.0
    first_pause: float = 0.5
    longest_pause: float = 30.0
    jittered: Callable[[float], float] = _jittered
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


DEFAULT = Timing()


class _Pauses:
    """How long to wait after a failure: longer each time, until the server has been heard again."""

    def __init__(self, timing: Timing) -> None:
        self._timing, self._failures = timing, 0

    def heard(self) -> None:
        self._failures = 0

    async def pause(self, resource: Resource, error: ApiError | None) -> None:
        timing = self._timing
        wait = timing.jittered(min(timing.first_pause * 2.0**self._failures, timing.longest_pause))
        self._failures = min(self._failures + 1, 16)
        if error is not None:
            wait = max(wait, error.retry_after or 0.0)
            _log.log(
                logging.INFO if error.gone else logging.WARNING, "%s: %s; again in %.1f s", resource.plural, error, wait
            )
        await timing.sleep(wait)


async def follow(
    client: Client,
    resource: Resource,
    namespace: str | None,
    sink: Sink,
    *,
    metadata_only: bool = False,
    timing: Timing = DEFAULT,
    progress: Progress | None = None,
    **query: str,
) -> None:
    """Tell the sink for ever."""
    progress = progress or NOBODY
    pauses = _Pauses(timing)
    while True:
        try:
            objects, version = await client.list(resource, namespace, metadata_only=metadata_only, **query)
            sink.replaced(resource, namespace, objects, version)
            progress.listed()
            del objects  # a watch is long, and a list may be large
            until = timing.clock() + timing.relist - timing.jittered(timing.relist / 4)
            while timing.clock() < until:
                version = await _stream(
                    client, resource, namespace, sink, version, pauses, timing, metadata_only, query
                )
                progress.heard()
        except ApiError as error:
            if not error.gone:
                progress.refused(error)
            await pauses.pause(resource, error)


async def _stream(
    client: Client,
    resource: Resource,
    namespace: str | None,
    sink: Sink,
    version: str,
    pauses: _Pauses,
    timing: Timing,
    metadata_only: bool,
    query: dict[str, str],
) -> str:
    """One stream; the version that it came to. Raises ``ApiError`` where only a list can help."""
    heard = False
    try:
        async for event, obj in client.watch(
            resource,
            namespace,
            version,
            seconds=timing.watch,
            silence=timing.silence,
            metadata_only=metadata_only,
            **query,
        ):
            version, heard = obj["metadata"]["resourceVersion"], True
            pauses.heard()
            if event != "BOOKMARK":
                sink.changed(resource, event, obj)
    except ApiError as error:
        if error.gone or error.not_found or error.status == 403:
            raise
        if error.silent:  # that took long enough, and whatever comes next should not come late
            _log.debug("%s", error)
        else:
            await pauses.pause(resource, error)
    else:
        if not heard:  # a server that ends streams at once must not be asked without end
            await pauses.pause(resource, None)
    return version
