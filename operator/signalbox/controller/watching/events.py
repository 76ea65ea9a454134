"""kopf as the source of events, and nothing else: what it sees is handed on.

Only ``on.event`` is used: all other handlers write annotations or finalizers into users' resources.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from inspect import CORO_CREATED, getcoroutinestate
from types import CoroutineType
from typing import Any

import kopf
from kopf._cogs.structs.credentials import Vault
from kopf._core.reactor.inventory import ResourceMemories, ResourceMemory

from signalbox.kube.client import Object
from signalbox.kube.resources import BACKENDS, POLICIES, Resource

SERVER_SECONDS = 300  # the API server takes whole seconds only
CONNECT_SECONDS = 10
# How long the task lives that kopf makes for each object, which it holds on to.
IDLE_SECONDS = 0.02
# Objects of one page of a list.
PAGE = 250
# Not many: only then does kopf do without what it may not list (namespaces, CRDs), and who ends is started again.
BACKOFFS = (0.2, 0.5, 1.0, 2.0)
# Time to close connections before a second cancellation, which would interrupt that.
END_SECONDS = 3.0
END_TRIES = 4
FIRST_TURNS = 100
# For peering, which is not used; but without one kopf asks for the user's name, and in a container there is none.
_IDENTITY: Any = "signalbox"

# A kind, the type of the event, and the object.
Notice = Callable[[Resource, str, Object], None]

_log = logging.getLogger(__name__)


async def watch(notice: Notice, namespaces: tuple[str, ...], stop: asyncio.Event) -> None:
    """Hand events on until stopped, or until a part of kopf ends, as happens on some errors of the API server.

    ``namespaces`` empty means all. Raises what ended it. To be called in an event loop with nothing else in it:
    ``kopf.operator`` waits without a bound for all its parts to end, and a watch that sees its connections closed
    meanwhile may ask for new credentials for ever. So the parts are ended here.
    """
    vault = Vault()
    parts = await kopf.spawn_tasks(
        registry=_registry(notice),
        settings=_settings(),
        standalone=True,
        identity=_IDENTITY,
        memories=_NoMemories(),
        clusterwide=not namespaces,
        namespaces=namespaces,
        stop_flag=stop,
        vault=vault,
    )
    try:
        done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _end(parts)
        await _end_all(vault)
    for part in done:
        if not part.cancelled():
            part.result()


class _NoMemories(ResourceMemories):
    """What kopf remembers of each object is for other kinds of handlers, and with many objects it is a lot."""

    async def recall(self, *arguments: Any, **options: Any) -> ResourceMemory:
        return await super().recall(*arguments, **{**options, "ephemeral": True})


async def _end(parts: Collection[asyncio.Task[None]]) -> None:
    """Cancel the parts. They end what they made, each in its turn: a queue of work is closed when all in it has begun.
    What takes long is left to ``_end_all``."""
    await _begun()
    for part in parts:
        part.cancel()
    ended, _ = await asyncio.wait(parts, timeout=END_SECONDS)
    _look_at(ended)


async def _begun() -> None:
    """Let all tasks take their first step: one that is cancelled before drops the coroutine that it was made for, which
    Python tells. As some make others all the time, this ends after some turns in any case."""
    for _ in range(FIRST_TURNS):
        if not any(_unbegun(task) for task in asyncio.all_tasks()):
            return
        await asyncio.sleep(0)


def _look_at(ended: Collection[asyncio.Task[Any]]) -> None:
    """What ended kopf is raised; what followed from that is no news."""
    for task in ended:
        if not task.cancelled():
            task.exception()


def _unbegun(task: asyncio.Task[Any]) -> bool:
    coro = task.get_coro()
    return isinstance(coro, CoroutineType) and getcoroutinestate(coro) == CORO_CREATED


async def _end_all(vault: Vault) -> None:
    """Cancel all other tasks of the loop, those again that took the first time for something else. Then close
    connections: kopf does so itself, but whoever asks once more after that opens others."""
    for _ in range(END_TRIES):
        await _begun()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if not left:
            await vault.close()
            return
        for task in left:
            task.cancel()
        ended, _ = await asyncio.wait(left, timeout=END_SECONDS)
        _look_at(ended)
    _log.warning("%d tasks of kopf did not end", len(asyncio.all_tasks()) - 1)


def _registry(notice: Notice) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_kubeconfig(**kwargs) or kopf.login_with_service_account(**kwargs)

    for resource in (BACKENDS, POLICIES):
        _listen(registry, notice, resource)
    return registry


def _listen(registry: kopf.OperatorRegistry, notice: Notice, resource: Resource) -> None:
    group, _, version = resource.api_version.partition("/")

    @kopf.on.event(group, version, resource.plural, registry=registry, id=resource.plural)
    async def noted(event: Any, **_: Any) -> None:  # another kind of function would get a thread
        # An event of the first list has no type.
        notice(resource, event["type"] or "ADDED", dict(event["object"]))


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    # Else the whole process is killed ten minutes after kopf has ended, though it has long been started again.
    settings.process.ultimate_exiting_timeout = None
    settings.networking.error_backoffs = BACKOFFS
    settings.queueing.idle_timeout = IDLE_SECONDS
    settings.watching.chunk_size = PAGE
    settings.watching.server_timeout = SERVER_SECONDS
    settings.watching.client_timeout = SERVER_SECONDS + CONNECT_SECONDS
    settings.watching.connect_timeout = CONNECT_SECONDS
    return settings
