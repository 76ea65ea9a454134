"""By when a client must have sent what it has begun: whoever sends too slowly keeps nothing that others want."""

import time

from signalbox.router.options import ProxyOptions
from signalbox.router.wire.requests import Owed, RequestReader
from signalbox.router.wire.room import SMALL_BYTES, Room

# A body must come at this rate (bytes a second), beyond the time that it has in any case.
MIN_BODY_RATE = 16 << 10
# The same for a large one while there is no room for others: a few heads, sent and left alone, must not keep it.
SCARCE_BODY_RATE = 256 << 10
SCARCE_SECONDS = 2.0


class Deadline:
    """Of one connection. ``at`` is in monotonic seconds, and of no meaning while a request is answered and nothing is
    read behind it."""

    __slots__ = ("_body_since", "_options", "_owed", "_reader", "_room", "at")

    def __init__(self, options: ProxyOptions, reader: RequestReader, room: Room) -> None:
        self._options = options
        self._reader = reader
        self._room = room
        self._owed = Owed.NOTHING
        self._body_since = 0.0
        self.at = 0.0

    def give(self, seconds: float) -> None:
        """So much time from now on."""
        self.at = time.monotonic() + seconds

    def renew(self) -> None:
        """What is owed has just begun, or could not be sent until now: its time begins at the next ``advance``."""
        self._owed = Owed.NOTHING

    def advance(self, size: int) -> bool:
        """Another ``size`` bytes came. Whether a body has begun to be owed."""
        owed = self._reader.owed
        if owed is self._owed:
            if owed is Owed.BODY:
                self.at += size / MIN_BODY_RATE
            return False
        self._owed = owed
        now = time.monotonic()
        if owed is Owed.HEAD:
            self.at = now + self._options.header_timeout
        elif owed is Owed.BODY:
            self._body_since = now
            self.at = now + self._options.body_timeout
            return True
        return False

    def has_passed(self, now: float, reads: bool) -> bool:
        """``reads``: its client is read. Who is not cannot send: there only room that others want counts."""
        return self._dawdles(now) or (now >= self.at and reads)

    def _dawdles(self, now: float) -> bool:
        """Whether the room for a large body is wanted by others, and its client is slow to fill it."""
        reader = self._reader
        if not self._room.scarce or self._owed is not Owed.BODY or reader.taken <= SMALL_BYTES:
            return False
        return now > self._body_since + SCARCE_SECONDS + reader.received / SCARCE_BODY_RATE
