"""Events about our resources. Best effort: they are told in the background, and what cannot be told is dropped."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from signalbox.kube.client import Client, Object
from signalbox.kube.errors import ApiError
from signalbox.kube.resources import EVENTS, Resource
from signalbox.plan.status.transitions import Transition

CONTROLLER = "signalbox.dev/operator"
NOTE_BYTES = 1024  # the API server takes no more
WAITING = 1000

_log = logging.getLogger(__name__)


class Recorder:
    """``record`` never waits; ``run`` sends. ``instance`` is the name of this operator's process."""

    def __init__(self, client: Client, instance: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._client, self._instance, self._now = client, instance, now
        self._waiting: asyncio.Queue[Object] = asyncio.Queue(WAITING)

    def record(self, resource: Resource, obj: Object, transitions: Iterable[Transition]) -> None:
        """Have these told about an object."""
        for one in transitions:
            try:
                self._waiting.put_nowait(self._event(resource, obj, one))
            except asyncio.QueueFull:
                _log.info("an Event is dropped: too many wait")

    async def run(self) -> None:
        """Send for ever."""
        while True:
            event = await self._waiting.get()
            try:
                await self._client.create(event, CONTROLLER)
            except ApiError as error:
                _log.info("an Event about %s could not be written: %s", event["regarding"]["name"], error)

    def _event(self, resource: Resource, obj: Object, one: Transition) -> Object:
        metadata = obj["metadata"]
        name, namespace = metadata["name"], metadata["namespace"]
        return {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "metadata": {"name": f"{name}.{secrets.token_hex(8)}", "namespace": namespace},
            "eventTime": self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reportingController": CONTROLLER,
            "reportingInstance": self._instance[:128],
            "action": "Reconcile",
            "type": one.type,
            "reason": one.reason,
            "note": one.note.encode()[:NOTE_BYTES].decode(errors="ignore"),
            "regarding": {
                "apiVersion": resource.api_version,
                "kind": resource.kind,
                "name": name,
                "namespace": namespace,
                "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"],
            },
        }
