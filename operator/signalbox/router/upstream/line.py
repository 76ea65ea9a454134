"""The connection of an attempt: lent from its endpoint, paused with the client, given back or closed."""

import time

from signalbox.router.upstream.connection import Through, UpstreamConnection
from signalbox.router.upstream.endpoint import Endpoint
from signalbox.router.wire.encoding import Decoder


class Line(Through):
    """``last_read`` is when something came, or could have come, in monotonic seconds."""

    __slots__ = ("connection", "decoder", "endpoint", "last_read", "reading_paused")

    def __init__(self, endpoint: Endpoint, now: float) -> None:
        self.endpoint = endpoint
        self.connection: UpstreamConnection | None = None
        self.decoder: Decoder | None = None
        self.reading_paused = False
        self.last_read = now

    def take_pieces(self, connection: UpstreamConnection) -> list[bytes]:
        """Body bytes of this read, decoded. Raises ``EncodingError`` where they cannot be."""
        taken = connection.pieces.copy()
        connection.pieces.clear()
        if self.decoder is None:
            return taken
        decoded = self.decoder.decode(b"".join(taken), connection.done)
        return [decoded] if decoded else []

    def let_go(self, now: float) -> None:
        """Return the connection where the response is complete, close it where it is not."""
        connection, self.connection = self.connection, None
        if connection is None:
            return
        if connection.reusable:
            if self.reading_paused:  # by the last part of this answer: the next request must not wait for this client
                connection.transport.resume_reading()
            self.endpoint.give(connection, now)
        else:
            connection.receiver = None
            connection.transport.abort()

    def abort(self) -> None:
        """Close the connection, whatever is still to come."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.receiver = None
            connection.transport.abort()

    def pause_reading(self) -> None:
        """The client reads more slowly than the endpoint writes."""
        if self.connection is not None:
            self.reading_paused = True
            self.connection.transport.pause_reading()

    def resume_reading(self) -> None:
        """The client has caught up."""
        if self.connection is not None:
            self.reading_paused = False
            self.connection.transport.resume_reading()
            self.last_read = time.monotonic()
