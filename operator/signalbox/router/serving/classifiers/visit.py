"""One question to a service: sent over its own connections, answered by a small JSON text or not at all.

It ends exactly once; its answer is a future. Who waits for it and is cancelled closes the connection.
"""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, Final

from signalbox.router.serving import waiting
from signalbox.router.serving.classifiers.answers import Unanswered
from signalbox.router.upstream.backend import BackendState
from signalbox.router.upstream.connection import UpstreamConnection
from signalbox.router.upstream.endpoint import Endpoint
from signalbox.router.upstream.line import Line
from signalbox.routing.ejection import Cause

MAX_ANSWER_BYTES: Final = 64 << 10


class Visit(Line):
    """See the module. Times are monotonic seconds."""

    __slots__ = ("_body", "_request", "_retried", "_service", "answer", "cancelled", "started_at")

    def __init__(self, service: BackendState, endpoint: Endpoint, request: bytes, now: float) -> None:
        super().__init__(endpoint, now)
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.cancelled = False
        self.started_at = now
        self._body = bytearray()
        self._request = request
        self._retried = False
        self._service = service

    def made(self, deadline: float) -> Coroutine[Any, Any, bytes]:
        """See ``waiting``."""
        return waiting.made(self, deadline)

    def start(self) -> None:
        """Send."""
        self.endpoint.in_flight += 1
        self.endpoint.health.started(self.started_at)
        if (connection := self.endpoint.take()) is not None:
            self.connected(connection)
        else:
            self._dial()

    def _dial(self) -> None:
        self.endpoint.dial(self, self._service.config.timeouts.connect_ms / 1000)

    # the connection

    def connected(self, connection: UpstreamConnection) -> None:
        """Send."""
        connection.receiver = self
        self.connection = connection
        connection.send(self._request)

    def not_connected(self, reason: str, timed_out: bool) -> None:
        """Nobody there."""
        self._fail(Cause.CONNECT, f"cannot connect: {reason}")

    def received(self, raw: bytes) -> None:
        """A read of the response."""
        connection = self.connection
        assert connection is not None
        if not connection.head_done:
            return
        if connection.headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
            self._fail(Cause.ERROR, "answered with a content encoding that was not asked for")
            return
        for piece in self.take_pieces(connection):
            self._body += piece
        if len(self._body) > MAX_ANSWER_BYTES:
            self._fail(Cause.ERROR, f"answered more than {MAX_ANSWER_BYTES} bytes")
        elif connection.done:
            self._answered(connection.status)

    def lost(self, reason: str) -> None:
        """The connection ended before the response was complete."""
        connection, self.connection = self.connection, None
        if connection is not None and connection.reused and connection.head_bytes == 0 and not self._retried:
            self._retried = True  # closed as idle in the moment of our question: nobody has seen it
            self._dial()
        else:
            self._fail(Cause.ERROR, reason)

    def crashed(self) -> None:
        """A defect: nobody may wait for ever."""
        self._fail(Cause.ERROR, "crashed")

    # ends

    def _answered(self, status: int) -> None:
        if 200 <= status < 300:
            now = time.monotonic()
            self.endpoint.health.succeeded(self.started_at, now)
            self.let_go(now)
            self._ended()
            if not self.answer.done():
                self.answer.set_result(bytes(self._body))
        else:
            self._fail(Cause.CREDENTIAL if status == 401 else Cause.ERROR, f"answered {status}")

    def _fail(self, cause: Cause, why: str) -> None:
        self.end(cause)
        if not self.answer.done():
            self.answer.set_exception(Unanswered("failed", f"the service {why}"))

    def end(self, cause: Cause | None) -> None:
        """By a fault of the service's, or by nobody's."""
        if self.cancelled:
            return
        now = time.monotonic()
        if cause is None:
            self.endpoint.health.abandoned(self.started_at, now)
        else:
            self.endpoint.health.failed(self.started_at, now, cause)
        if self.connection is not None and self.connection.done:
            self.let_go(now)
        else:
            self.abort()
        self._ended()

    def _ended(self) -> None:
        self.cancelled = True
        self.endpoint.in_flight -= 1
