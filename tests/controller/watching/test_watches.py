"""The lists that keep kopf honest, where the server answers none of them."""

import asyncio
from typing import cast

from signalbox.controller.watching.listings import Listings
from signalbox.controller.watching.store import Store
from signalbox.controller.watching.watches import SWEEPS_AT_ONCE, Watches
from signalbox.kube.client import SECONDS, Client, Object
from signalbox.kube.errors import ApiError
from signalbox.kube.resources import BACKENDS, POLICIES, Resource

NAMESPACES = tuple(f"n{number}" for number in range(25))


class HangingServer:
    """Takes every list and answers none: the client gives each up in its time, which is the test's."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked: list[tuple[Resource, str | None]] = []
        self._hanging: list[asyncio.Future[None]] = []

    def clock(self) -> float:
        return self.now

    async def list(self, resource: Resource, namespace: str | None) -> tuple[list[Object], str]:
        self.asked.append((resource, namespace))
        self._hanging.append(asyncio.get_running_loop().create_future())
        await self._hanging[-1]
        raise ApiError(0, "Unreachable", "it hangs")

    async def give_up(self) -> int:
        """Those that hang now have taken as long as the client waits; how many they were."""
        for _ in range(10):
            await asyncio.sleep(0)
        self.now += SECONDS
        given_up, self._hanging = self._hanging, []
        for each in given_up:
            each.set_result(None)
        return len(given_up)


async def test_a_server_that_hangs_is_no_reason_to_start_again() -> None:
    server = HangingServer()
    listings = Listings(server.clock)
    store = Store(lambda *_: None)
    watches = Watches(cast(Client, server), store, Store(lambda *_: None), listings, NAMESPACES)
    sweep = asyncio.create_task(watches.sweeping())
    everything = {(resource, namespace) for resource in (POLICIES, BACKENDS) for namespace in NAMESPACES}
    try:
        while set(server.asked) != everything:
            assert 0 < await server.give_up() <= SWEEPS_AT_ONCE
            assert listings.stuck() == []
    finally:
        sweep.cancel()
        await asyncio.gather(sweep, return_exceptions=True)
