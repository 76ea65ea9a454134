"""One JSON line a request, written without ever making a request wait.

Lines gather in memory and leave in pieces that a pipe takes whole, so that lines of several workers on one pipe do not
mix. When nobody reads the pipe, lines are dropped and counted: a log must not stop the traffic.
"""

import asyncio
import os
import select
import stat
import time
from collections.abc import Callable
from typing import Protocol

import msgspec

from signalbox.router.telemetry.entry import Entry

PIECE = 4096  # a write of at most PIPE_BUF bytes to a pipe is atomic, and Linux has 4096
FLUSH_BYTES = 64 << 10
BATCH = 64
FLUSH_SECONDS = 0.5
MAX_WAITING_BYTES = 1 << 20
MAX_TEXT = 256


class Finished(Protocol):
    """Something that can be put into words later: when many lines are written in one go, each costs half as much."""

    def entry(self) -> Entry:
        """The line, its time left out."""


def format_cost(picos: int) -> str:
    """10⁻¹² units as a decimal string without trailing zeros: 1,500,000 is "0.0000015"."""
    if not picos:
        return ""
    whole, part = divmod(picos, 10**12)
    return f"{whole}.{part:012d}".rstrip("0").rstrip(".")


class AccessLog:
    """A buffered writer of entries; ``dropped`` counts the lines that found no room.

    ``destination`` is a file descriptor (never made non-blocking: others may share it), a path, or None for no log.
    Call ``close`` at the end.
    """

    __slots__ = (
        "_buffer",
        "_clock",
        "_descriptor",
        "_encode",
        "_own",
        "_poll",
        "_second",
        "_second_text",
        "_timer",
        "_unwritten",
        "dropped",
    )

    def __init__(self, destination: int | str | None, clock: Callable[[], float] = time.time) -> None:
        self._descriptor, self._own = _open(destination)
        self._poll: select.poll | None = None
        if self._descriptor >= 0 and not self._own:
            self._poll = select.poll()
            self._poll.register(self._descriptor, select.POLLOUT)
        self._clock = clock
        self._encode = msgspec.json.Encoder().encode
        self._unwritten: list[tuple[float, Entry | Finished]] = []
        self._buffer = bytearray()
        self._timer: asyncio.TimerHandle | None = None
        self._second = -1
        self._second_text = ""
        self.dropped = 0

    @property
    def enabled(self) -> bool:
        """Whether lines go anywhere: a caller may spare itself the entry."""
        return self._descriptor >= 0

    def write(self, line: Entry | Finished) -> None:
        """Add a line; must be called from the loop. What it says is asked for within half a second."""
        if self._descriptor < 0:
            return
        unwritten = self._unwritten
        unwritten.append((self._clock(), line))
        if len(unwritten) >= BATCH:
            self._encode_unwritten()
            if len(self._buffer) >= FLUSH_BYTES:
                self.flush()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._flush_later)

    def _encode_unwritten(self) -> None:
        encode, buffer = self._encode, self._buffer
        for at, line in self._unwritten:
            if len(buffer) >= MAX_WAITING_BYTES:
                self.dropped += 1
                continue
            entry = line if isinstance(line, Entry) else line.entry()
            entry.time = self._text_of(at)
            if len(entry.id) > MAX_TEXT or len(entry.model) > MAX_TEXT or len(entry.traceparent) > MAX_TEXT:
                entry.id, entry.model = entry.id[:MAX_TEXT], entry.model[:MAX_TEXT]
                entry.traceparent = entry.traceparent[:MAX_TEXT]
            buffer += encode(entry)
            buffer += b"\n"
        self._unwritten.clear()

    def flush(self) -> None:
        """Write what the destination takes now; the rest stays."""
        self._encode_unwritten()
        data = memoryview(self._buffer)
        done = 0
        while done < len(data):
            end = _piece_end(self._buffer, done)
            written = self._write(data[done:end])
            done += written
            if done < end:
                break
        data.release()
        del self._buffer[:done]

    def close(self) -> None:
        """Write what can be written without waiting, count the rest as dropped, and let go of the destination."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._descriptor < 0:
            return
        self.flush()
        self.dropped += self._buffer.count(b"\n")
        self._buffer.clear()
        if self._own:
            os.close(self._descriptor)
        self._descriptor = -1

    def _flush_later(self) -> None:
        self._timer = None
        self.flush()
        if self._buffer:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._flush_later)

    def _write(self, data: memoryview) -> int:
        if self._poll is not None and not self._poll.poll(0):
            return 0
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            return 0
        except OSError:
            # The reader has gone or the disk is full: whatever happens to the log, requests go on.
            self.dropped += bytes(data).count(b"\n")
            return len(data)

    def _text_of(self, now: float) -> str:
        second = int(now)
        if second != self._second:
            self._second = second
            self._second_text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._second_text}.{int((now - second) * 1000):03d}Z"


def _piece_end(buffer: bytearray, start: int) -> int:
    """The end of the longest run of whole lines from ``start`` that a pipe takes at once, or of one long line."""
    if len(buffer) - start <= PIECE:
        return len(buffer)
    end = buffer.rfind(b"\n", start, start + PIECE)
    if end < 0:
        end = buffer.find(b"\n", start)
    return len(buffer) if end < 0 else end + 1


def _open(destination: int | str | None) -> tuple[int, bool]:
    """A descriptor and whether it is ours (non-blocking, to be closed by us)."""
    if destination is None:
        return -1, False
    flags = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC
    if isinstance(destination, str):
        return os.open(destination, flags | os.O_CREAT, 0o640), True
    # Opened anew, a pipe or terminal can be non-blocking for us without being so for those that share it.
    if not stat.S_ISSOCK(os.fstat(destination).st_mode):
        try:
            return os.open(f"/proc/self/fd/{destination}", flags), True
        except OSError:
            pass
    return destination, False
