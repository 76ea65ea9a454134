"""Whose the objects are that the operator makes for itself: the leader's Service's, which whoever installs us brings.

They go with it, so that nothing is left of an installation that is removed, by whatever tool.
"""

import asyncio

from signalbox.kube.client import Client, Object
from signalbox.kube.resources import SERVICES

GONE_SECONDS = 1.0


class Owner:
    """One Service, by name."""

    def __init__(self, client: Client, namespace: str, name: str) -> None:
        self._client, self._namespace, self._name = client, namespace, name
        self._last: list[Object] = []

    async def references(self) -> list[Object]:
        """For ``ownerReferences``; none where there never was such a Service.

        One that has gone still owns: what a replica makes that has not ended yet is then removed again. That takes the
        API server no time, so we take some.
        """
        service = await self._client.get(SERVICES, self._namespace, self._name)
        if service is not None:
            kind = {"apiVersion": SERVICES.api_version, "kind": SERVICES.kind}
            self._last = [{**kind, "name": self._name, "uid": service["metadata"]["uid"]}]
        elif self._last:
            await asyncio.sleep(GONE_SECONDS)
        return self._last
