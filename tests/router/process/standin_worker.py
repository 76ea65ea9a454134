"""A worker process that serves a tiny application: answers with its configuration, and obeys words in the path.

The configuration is a text; "bad …" is rejected, "crash …" ends the process while it is read, "hang …" never returns,
and under "mute …" nothing can be reported.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

from signalbox.control.messages import Weights
from signalbox.router.options import ProxyOptions
from signalbox.router.process.worker import run
from signalbox.router.telemetry.accesslog import AccessLog
from signalbox.router.telemetry.entry import Entry
from signalbox.router.telemetry.snapshot import EndpointGauge
from signalbox.router.telemetry.statistics import Statistics
from signalbox.router.wire.errors import ConfigRejectedError
from signalbox.routing.config import Limits
from signalbox.routing.limits import Allowance


class StandIn:
    """What ``router.worker.Application`` asks for."""

    def __init__(self, options: ProxyOptions, statistics: Statistics, log: AccessLog) -> None:
        self.statistics = statistics
        self.log = log
        self.config = b""
        self.weights = Weights()
        self.parts: dict[str, Limits] = {}
        self.spent: dict[str, Limits] = {}
        self.draining = False
        self.open: set[Connection] = set()
        self.idle = asyncio.Event()

    def prepare(self, config: bytes, secrets: Mapping[str, bytes]) -> Callable[[], None]:
        if config.startswith(b"bad"):
            raise ConfigRejectedError(f"not good: {len(secrets)} secrets")
        if config.startswith(b"crash"):
            os._exit(3)
        if config.startswith(b"hang"):
            time.sleep(600)
        if config.startswith(b"fault"):
            raise RuntimeError("a secret word")

        def commit() -> None:
            self.config = config + b"".join(secrets.values())

        return commit

    def protocol(self) -> asyncio.Protocol:
        return Connection(self)

    def full(self, pending: int) -> bool:
        return False

    def turn_away(self) -> bytes:
        return b""

    def steer(self, weights: Weights, heard_ago: float) -> None:
        self.weights = weights

    def lease(self, parts: Mapping[str, Limits]) -> None:
        self.parts = dict(parts)

    def inherit(self, spent: Sequence[tuple[float, Mapping[str, Limits]]]) -> None:
        for _, each in spent:
            self.spent.update(each)

    def limits(self) -> dict[str, Allowance]:
        if self.config.startswith(b"mute"):
            raise ValueError(self.config.decode())
        return {name: Allowance(part, part, self.spent.get(name, Limits())) for name, part in self.parts.items()}

    def drain(self) -> None:
        self.draining = True
        for connection in tuple(self.open):
            connection.end_if_idle()
        self.check()

    def check(self) -> None:
        if self.draining and not self.open:
            self.idle.set()

    async def drained(self) -> None:
        await self.idle.wait()

    def gauges(self) -> Iterable[EndpointGauge]:
        return (EndpointGauge("b", "10.0.0.1:80", len(self.open), True),)


class Connection(asyncio.Protocol):
    """Requests are lines: a word, answered by a line. "wait" is answered at the next line only; "spend" uses up
    what was leased."""

    def __init__(self, app: StandIn) -> None:
        self.app = app
        self.waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own does not inherit from it
        self.app.open.add(self)
        self.app.statistics.connections += 1
        self.app.statistics.connections_total += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self.app.statistics.connections -= 1
        self.app.open.discard(self)
        self.app.check()

    def data_received(self, data: bytes) -> None:
        for word in data.split():
            if word == b"die":
                os._exit(7)
            if word == b"wait":
                self.waiting = True
                continue
            if word == b"spend":
                self.app.spent = dict(self.app.parts)
            self.waiting = False
            series = self.app.statistics.series("p", "r", "t", "b", "m", "chat")
            series.finished(200, 0.3, 0.05, 10, 0, 20, 5_000_000)
            self.app.log.write(Entry(id=word.decode(), status=200))
            self.transport.write(b"%d %b\n" % (os.getpid(), self.app.config))
        if self.app.draining:
            self.end_if_idle()

    def end_if_idle(self) -> None:
        if not self.waiting:
            self.transport.close()


if __name__ == "__main__":
    run(StandIn, sys.argv[1:])
