"""Those who were told that there are too many, and left.

What a client sends to a connection that is closed already resets it, and one that is still writing its request finds
that out before it reads why. So each is kept for a second, unless too many are, and what it sends is thrown away.
"""

import asyncio
import socket
import time
from collections import deque
from typing import Final

LINGER_SECONDS: Final = 1.0
MAX_LINGERING: Final = 192
LOOK_SECONDS: Final = 0.1
"""All are looked at so often: hearing of each from the loop would take as long as telling it did."""
READ_BYTES: Final = 64 << 10
MOST_READS: Final = 8
"""Of one, each time."""


class Lingering:
    """Connections of one acceptor whose sending half is closed, with until when they are kept, in monotonic seconds."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thrown_away = bytearray(READ_BYTES)
        self._kept: deque[tuple[socket.socket, float]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, client: socket.socket) -> None:
        """Close it later."""
        if len(self._kept) >= MAX_LINGERING:
            self._close_first()
        self._kept.append((client, time.monotonic() + LINGER_SECONDS))
        if self._timer is None:
            self._timer = self._loop.call_later(LOOK_SECONDS, self._look)

    def close(self) -> None:
        """Keep nobody any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._kept:
            self._close_first()

    def _look(self) -> None:
        now, self._timer = time.monotonic(), None
        for _ in range(len(self._kept)):
            client, until = self._kept.popleft()
            if self._has_left(client) or until <= now:
                client.close()
            else:
                self._kept.append((client, until))
        if self._kept:
            self._timer = self._loop.call_later(LOOK_SECONDS, self._look)

    def _close_first(self) -> None:
        client, _ = self._kept.popleft()
        self._has_left(client)  # what stays unread would make closing a reset, which may take the answer with it
        client.close()

    def _has_left(self, client: socket.socket) -> bool:
        """Read what it has sent."""
        try:
            for _ in range(MOST_READS):
                if not client.recv_into(self._thrown_away, 0, socket.MSG_DONTWAIT):
                    return True
        except BlockingIOError:
            return False
        except OSError:
            return True
        return False
