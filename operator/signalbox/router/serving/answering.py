"""An answer on its way to a client: framed as the client can read it, sent by the worker's outbox."""

import asyncio
from typing import TYPE_CHECKING

from signalbox.router.wire.errors import Refusal, status_line
from signalbox.router.wire.heads import Head

if TYPE_CHECKING:
    from signalbox.router.serving.proxy import Proxy


class Answering:
    """The half of a client's connection that sends. ``chunks`` says that the client reads them, ``speaks`` is the
    operation whose API it is answered in.
    """

    __slots__ = (
        "_bodyless",
        "_ended",
        "_keep_alive",
        "_outbox",
        "_proxy",
        "_sized",
        "_started",
        "chunks",
        "speaks",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, proxy: "Proxy") -> None:
        self._proxy = proxy
        self._outbox = proxy.outbox
        self._started = False  # something of the answer was sent
        self._ended = False  # all of it was sent
        self._bodyless = False
        self._sized = False
        self._keep_alive = True
        self.chunks = True
        self.speaks = ""

    def answer_to(self, head: Head) -> None:
        """A new answer begins, to this request."""
        self._started = self._ended = False
        self._keep_alive = head.keep_alive
        self._bodyless = head.method == b"HEAD"
        self.chunks = head.chunks

    def refuse(self, refusal: Refusal, lines: bytes) -> None:
        """Send an error object."""
        if refusal.close:
            self._keep_alive = False
        self.whole(status_line(refusal.status) + refusal.head() + lines, refusal.body(self.speaks))

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._outbox.send(self.transport, data)

    def whole(self, head: bytes, content: bytes) -> None:
        """Send an answer in one write; ``head`` is status line and headers without framing."""
        self._started = self._ended = True
        self._outbox.send(
            self.transport,
            b"%b%bcontent-length: %d\r\n\r\n%b"
            % (head, self._connection_line(), len(content), b"" if self._bodyless else content),
        )

    def begin(self, head: bytes, length: bytes | None) -> None:
        """Send the head of an answer whose parts follow; without a length the parts are chunks."""
        self._started = True
        self._sized = length is not None
        if length is not None:
            framing = b"content-length: %b\r\n" % length
        elif self.chunks:
            framing = b"transfer-encoding: chunked\r\n"
        else:
            framing = b""
            self._keep_alive = False
        self._outbox.send(self.transport, b"%b%b%b\r\n" % (head, self._connection_line(), framing))

    def part(self, data: bytes) -> None:
        """Send a part of the body."""
        if not self.chunks or self._sized:
            self._outbox.send(self.transport, data)
        elif data:
            self._outbox.send(self.transport, b"%x\r\n%b\r\n" % (len(data), data))

    def end(self) -> None:
        """The body is complete."""
        self._ended = True
        if self.chunks and not self._sized:
            self._outbox.send(self.transport, b"0\r\n\r\n")

    def cut(self) -> None:
        """The body stays incomplete: only the end of the connection can tell the client."""
        self._keep_alive = False

    def _connection_line(self) -> bytes:
        if self._proxy.draining:
            self._keep_alive = False
        if not self._keep_alive:
            return b"connection: close\r\n"
        return b"" if self.chunks else b"connection: keep-alive\r\n"
