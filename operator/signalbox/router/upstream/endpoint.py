"""One network address of a backend: its idle connections, what is in flight, its health."""

import asyncio
import math
import ssl

from signalbox.router.upstream.connection import UpstreamConnection
from signalbox.router.upstream.dial import Dialer
from signalbox.router.upstream.dialling import Dialling, dial
from signalbox.routing.affinity import seed_of
from signalbox.routing.config import Address
from signalbox.routing.ejection import EndpointHealth

# Most engines close an idle connection after 5 s (uvicorn) to 75 s (nginx): taking the last one used first keeps the
# others idle long enough to be closed here, before the other side does it at a bad moment.
IDLE_SECONDS = 30.0


class Endpoint:
    """Connections to one address. Kept over reloads as long as address and TLS stay the same.

    ``fronts``: the address is all that a name led to, so that several engines may be behind it. ``new_since``
    (monotonic seconds) is when it joined others that were there before, ``seed`` see ``routing.affinity``.
    """

    __slots__ = (
        "address",
        "context",
        "dialer",
        "fronts",
        "health",
        "idle",
        "in_flight",
        "label",
        "new_since",
        "retired",
        "seed",
        "server_name",
        "tasks",
    )

    def __init__(
        self,
        address: Address,
        health: EndpointHealth,
        dialer: Dialer,
        context: ssl.SSLContext | None,
        server_name: str | None,
    ) -> None:
        self.address = address
        self.label = f"{address.host}:{address.port}"
        self.seed = seed_of(self.label)
        self.new_since = -math.inf
        self.health = health
        self.dialer = dialer
        self.context = context
        self.server_name = server_name
        self.idle: list[UpstreamConnection] = []
        self.in_flight = 0
        self.retired = False
        self.fronts = False
        self.tasks: set[asyncio.Task[None]] = set()

    def take(self) -> UpstreamConnection | None:
        """An idle connection, the last one used first."""
        while self.idle:
            connection = self.idle.pop()
            if not connection.transport.is_closing():
                connection.reused = True
                return connection
        return None

    def give(self, connection: UpstreamConnection, now: float) -> None:
        """Put a connection back, or close it."""
        connection.receiver = None
        if self.retired or len(self.idle) >= self.dialer.most_idle or connection.transport.is_closing():
            connection.transport.close()
            return
        connection.renew()
        connection.idle_since = now
        self.idle.append(connection)

    def dial(self, waiting: Dialling, timeout: float) -> None:
        """Open a connection for somebody, within ``timeout`` seconds."""
        task = asyncio.get_running_loop().create_task(dial(self, waiting, timeout))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def close_idle(self, before: float) -> None:
        """Close connections that have been idle since before a time."""
        if not self.idle:
            return
        keep = []
        for connection in self.idle:
            if connection.transport.is_closing():
                continue
            if connection.idle_since < before:
                connection.transport.close()
            else:
                keep.append(connection)
        self.idle = keep

    def retire(self) -> None:
        """Serve no new request; what is in flight ends by itself."""
        self.retired = True
        self.close_idle(float("inf"))
