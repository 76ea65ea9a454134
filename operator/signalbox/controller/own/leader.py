"""The way to the leader: a Service without a selector, and the EndpointSlice that the leader writes for it."""

import asyncio
import ipaddress
import logging

from signalbox.controller.applying.difference import MANAGER, holds
from signalbox.controller.own.owner import Owner
from signalbox.controller.own.watched import Own
from signalbox.controller.watching.listings import Listings
from signalbox.kube.client import Client, Object
from signalbox.kube.errors import ApiError
from signalbox.kube.resources import ENDPOINT_SLICES
from signalbox.plan.services import SERVICE_LABEL

# As the Service calls it.
PORT_NAME = "control"
AGAIN_SECONDS = 1.0
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"

_log = logging.getLogger(__name__)


def endpoint_slice(namespace: str, service: str, address: str, port: int) -> Object:
    """The leader's address as the only endpoint."""
    return {
        "apiVersion": ENDPOINT_SLICES.api_version,
        "kind": ENDPOINT_SLICES.kind,
        "metadata": {
            "namespace": namespace,
            "name": service,
            "labels": {SERVICE_LABEL: service, MANAGED_BY: "signalbox.dev"},
        },
        "addressType": f"IPv{ipaddress.ip_address(address).version}",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        "ports": [{"name": PORT_NAME, "port": port, "protocol": "TCP"}],
    }


class LeaderEndpoint:
    """Keeps the slice as it should be, while we lead; it goes with its ``owner``."""

    def __init__(self, client: Client, wanted: Object, owner: Owner, listings: Listings) -> None:
        self._client, self._wanted, self._owner = client, wanted, owner
        metadata = wanted["metadata"]
        self._own = Own(client, ENDPOINT_SLICES, metadata["namespace"], metadata["name"], listings)

    async def keep(self) -> None:
        """For ever."""
        watching = asyncio.create_task(self._own.follow())
        try:
            await self._write()  # at once: what is there leads to somebody else, if anywhere
            await self._own.known.wait()
            while True:
                seen = self._own.changes
                if self._own.live is None or not holds(self._own.live, self._wanted):
                    await self._write()
                await self._own.news(seen)
        finally:
            watching.cancel()

    async def _write(self) -> None:
        while True:
            try:
                owned = {**self._wanted["metadata"], "ownerReferences": await self._owner.references()}
                await self._client.apply({**self._wanted, "metadata": owned}, MANAGER)
            except ApiError as error:
                if error.status == 422 and self._own.live is not None:  # the address type cannot be changed
                    await self._remove(self._own.live)
                _log.warning("EndpointSlice %s/%s: %s", self._own.namespace, self._own.name, error)
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                return

    async def _remove(self, live: Object) -> None:
        try:
            await self._client.delete(ENDPOINT_SLICES, self._own.namespace, self._own.name, live["metadata"]["uid"])
        except ApiError as error:
            _log.warning("EndpointSlice %s/%s: %s", self._own.namespace, self._own.name, error)
