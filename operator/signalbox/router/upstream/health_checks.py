"""Active health checks: GET a path of every endpoint now and then; 2xx is healthy.

Thresholds are not applied here: each result is handed on (see ``routing.ejection.EndpointHealth.checked``).
"""

import asyncio
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random

from signalbox.router.patience import within
from signalbox.router.upstream.connection import UpstreamConnection
from signalbox.router.upstream.dial import Dialer
from signalbox.routing.address_rules import AddressRefused
from signalbox.routing.config import Address

LONGEST_CHECK = 5.0
JITTER = 0.1
FIRST_WITHIN = 1.0

OnResult = Callable[[str, Address, bool], None]


@dataclass(frozen=True, slots=True)
class Check:
    """One endpoint and how to ask it; ``interval`` in seconds. A check that changes in anything begins anew."""

    backend: str
    address: Address
    path: str
    authority: str
    interval: float
    context: ssl.SSLContext | None = None
    server_name: str | None = None

    @property
    def timeout(self) -> float:
        """Seconds after which no answer is a bad one."""
        return min(self.interval, LONGEST_CHECK)


class HealthChecks:
    """Runs one task for each check; ``on_result`` gets the backend's name, the address and whether it is healthy."""

    def __init__(self, dialer: Dialer, on_result: OnResult, random: Random) -> None:
        self._dialer = dialer
        self._on_result = on_result
        self._random = random
        self._tasks: dict[Check, asyncio.Task[None]] = {}

    def update(self, checks: Iterable[Check]) -> None:
        """Check these from here on: new ones start, those that are gone end, the others go on undisturbed."""
        wanted = set(checks)
        for gone in self._tasks.keys() - wanted:
            self._tasks.pop(gone).cancel()
        for new in wanted - self._tasks.keys():
            self._tasks[new] = asyncio.ensure_future(self._repeat(new))

    def stop(self) -> None:
        """End all checks."""
        self.update(())

    async def _repeat(self, check: Check) -> None:
        # Workers and endpoints begin at different moments, and drift apart: an engine is not asked by all at once.
        await asyncio.sleep(self._random.uniform(0, min(check.interval, FIRST_WITHIN)))
        while True:
            healthy = await self._ask(check)
            self._on_result(check.backend, check.address, healthy)
            await asyncio.sleep(check.interval * self._random.uniform(1 - JITTER, 1 + JITTER))

    async def _ask(self, check: Check) -> bool:
        connection: UpstreamConnection | None = None
        try:
            async with within(check.timeout):
                connection = await self._dialer.connect(check.address, check.context, check.server_name)
                answer = _Answer(connection)
                connection.transport.write(
                    b"GET %b HTTP/1.1\r\nhost: %b\r\naccept: */*\r\nuser-agent: signalbox\r\nconnection: close\r\n\r\n"
                    % (check.path.encode(), check.authority.encode())
                )
                return 200 <= await answer.status < 300
        except (OSError, AddressRefused):
            return False
        finally:
            if connection is not None:
                connection.receiver = None
                connection.transport.abort()


class _Answer:
    """Waits for the head of the answer. The body is never read: a health page may be of any length."""

    def __init__(self, connection: UpstreamConnection) -> None:
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._connection = connection
        connection.receiver = self

    def received(self, raw: bytes) -> None:
        """A part of the answer has come."""
        if self._connection.head_done and not self.status.done():
            self.status.set_result(self._connection.status)
        self._connection.pieces.clear()

    def lost(self, reason: str) -> None:
        """There will be no answer."""
        if not self.status.done():
            self.status.set_exception(ConnectionResetError(reason))

    def crashed(self) -> None:
        """Neither of the above can raise."""
        self.lost("crashed")
