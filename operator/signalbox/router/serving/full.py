"""Connections beyond those that a worker keeps: told so, and closed, before anything of theirs is read."""

import asyncio
from typing import TYPE_CHECKING, cast

from signalbox.router.serving.appointments import LATEST_SECONDS, SOONEST_SECONDS
from signalbox.router.wire.errors import Refusal, status_line

if TYPE_CHECKING:
    from signalbox.router.serving.proxy import Proxy

CODE = "too_many_connections"
# Closing at once would reset the connection and could take the answer with it: so long what comes is thrown away, of
# so many at a time.
LINGER_SECONDS = 1.0
MAX_LINGERING = 64
# A connection of a client may need another to an engine, and as many may be idle; the rest is for logs, checks and the
# supervisor.
SPARE_DESCRIPTORS = 64


def most_connections(wanted: int, descriptors: int) -> int:
    """How many connections of clients a worker keeps that may open so many files (negative: any number)."""
    if descriptors < 0:
        return wanted
    return max(1, min(wanted, (descriptors - SPARE_DESCRIPTORS) // 3))


def _answer(retry_after: int) -> bytes:
    refusal = Refusal(503, CODE, "The router has too many connections.", retry_after=retry_after, close=True)
    body = refusal.body()
    head = b"%b%bconnection: close\r\ncontent-length: %d\r\n\r\n"
    return head % (status_line(refusal.status), refusal.head(), len(body)) + body


ANSWERS = {seconds: _answer(seconds) for seconds in range(SOONEST_SECONDS, LATEST_SECONDS + 1)}
"""By the seconds after which to come again."""


class FullConnection(asyncio.Protocol):
    """See the module."""

    def __init__(self, proxy: "Proxy") -> None:
        self._proxy = proxy
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Answer at once."""
        transport = cast("asyncio.Transport", transport)
        transport.write(self._proxy.turn_away())
        if len(self._proxy.lingering) < MAX_LINGERING and transport.can_write_eof():
            self._proxy.lingering.add(self)
            self._timer = asyncio.get_running_loop().call_later(LINGER_SECONDS, transport.abort)
            transport.write_eof()
        else:
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has left, or was left."""
        if self._timer is not None:
            self._timer.cancel()
        self._proxy.lingering.discard(self)
