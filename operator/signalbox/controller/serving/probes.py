"""What the kubelet asks: is this process alive, and does it know enough to be ready.

Alive is more than that the socket answers: the event loop keeps up, whoever lists and watches still tries, no
reconcile hangs. An API server that is away makes nothing of that untrue: starting again would not bring it back.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

from signalbox.controller.reconciling.queue import Queue
from signalbox.controller.watching.listings import Listings

LAG_SECONDS = 10.0
RECONCILE_SECONDS = 600.0
MEASURE_SECONDS = 1.0


@dataclass
class Lag:
    """How late the event loop is: measured by a timer, and the last measure counts. ``run`` it."""

    clock: Callable[[], float] = time.monotonic
    seconds: float = field(default=0.0, init=False)

    async def run(self) -> None:
        """Measure for ever."""
        while True:
            began = self.clock()
            await asyncio.sleep(MEASURE_SECONDS)
            self.seconds = max(0.0, self.clock() - began - MEASURE_SECONDS)


@dataclass(frozen=True)
class Health:
    """What the probes judge by."""

    listings: Listings
    queue: Queue
    lag: Lag

    def sick(self) -> list[str]:
        """Why the process should be started again."""
        found = [f"nobody tries to list {plural} any more" for plural in self.listings.stuck()]
        if self.lag.seconds > LAG_SECONDS:
            found.append(f"the event loop is {self.lag.seconds:.0f} s late")
        if (working := self.queue.working()) > RECONCILE_SECONDS:
            found.append(f"a reconcile has been running for {working:.0f} s")
        return found

    def unready(self) -> list[str]:
        """Why it does not know what there is."""
        return self.listings.missing()


def application(health: Health) -> web.Application:
    """``/healthz`` and ``/readyz``: 200, or 503 with the reasons, one a line."""

    async def healthz(_: web.Request) -> web.Response:
        return _answer(health.sick())

    async def readyz(_: web.Request) -> web.Response:
        return _answer(health.unready())

    made = web.Application()
    made.router.add_get("/healthz", healthz)
    made.router.add_get("/readyz", readyz)
    return made


def _answer(reasons: list[str]) -> web.Response:
    return web.Response(status=503 if reasons else 200, text="\n".join(reasons or ["ok"]) + "\n")
