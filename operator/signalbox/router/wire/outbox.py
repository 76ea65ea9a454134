"""What a worker has to send, collected over one turn of its loop.

A send wakes its receiver, and waking one that sleeps costs more than all the rest of sending. Sends that follow one
another find it awake: so whatever the reads of a turn lead to is sent when all of them are handled. A request that
comes alone waits for nothing.
"""

import asyncio
import logging
from typing import Final

# What waits is sent at once from here on: the first of many must not wait for the last one, and memory is bounded.
MOST_SENDS: Final = 64
MOST_BYTES: Final = 64 << 10

_log = logging.getLogger(__name__)


class Outbox:
    """Of one worker. Whoever closes a transport calls ``flush`` first, or what waits for it is dropped."""

    __slots__ = ("_bytes", "_scheduled", "_texts", "_transports")

    def __init__(self) -> None:
        self._transports: list[asyncio.Transport] = []
        self._texts: list[bytes] = []
        self._bytes = 0
        self._scheduled = False

    def send(self, transport: asyncio.Transport, text: bytes) -> None:
        """Send before the loop waits again; what goes to one transport stays in order."""
        self._transports.append(transport)
        self._texts.append(text)
        self._bytes += len(text)
        if len(self._texts) >= MOST_SENDS or self._bytes >= MOST_BYTES:
            self.flush()
        elif not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._turn_over)

    def flush(self) -> None:
        """Send all that waits."""
        if not self._texts:
            return
        transports, texts = self._transports, self._texts
        self._transports, self._texts, self._bytes = [], [], 0
        last = len(texts) - 1
        first = 0
        for index in range(last + 1):
            transport = transports[index]
            if index < last and transports[index + 1] is transport:
                continue  # goes with the next
            text = texts[index] if first == index else b"".join(texts[first : index + 1])
            first = index + 1
            if not transport.is_closing():
                try:
                    transport.write(text)
                except Exception:  # a defect of one must not keep the others from being sent
                    _log.exception("cannot send")
                    transport.abort()

    def _turn_over(self) -> None:
        self._scheduled = False
        self.flush()
