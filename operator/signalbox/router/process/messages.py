"""What supervisor and worker say to each other, over a Unix socket pair: msgpack, each message after its length.

Secrets travel here and nowhere else, so messages that carry them do not show them when printed.
"""

import asyncio
import socket
import struct
from typing import Generic, TypeVar

import msgspec

from signalbox.control.messages import Weights
from signalbox.router.options import ProxyOptions
from signalbox.router.telemetry.snapshot import Snapshot
from signalbox.routing.config import Limits
from signalbox.routing.limits import Allowance

MAX_MESSAGE_BYTES = 256 << 20
_LENGTH = struct.Struct("!I")


class Message(msgspec.Struct, frozen=True, kw_only=True, tag=True, array_like=True):
    """Common options: both ends are the same release, so fields go by position."""


class Setup(Message, frozen=True):
    """Supervisor: the first message. Where to listen and how."""

    hosts: tuple[str, ...]
    port: int
    proxy: ProxyOptions
    access_log: int | str | None
    drain_timeout: float
    tls_directory: str | None = None


class Prepare(Message, frozen=True):
    """Supervisor: read a configuration, and say whether it could serve. Nothing changes yet."""

    generation: int
    config: bytes
    secrets: dict[str, bytes]

    def __repr__(self) -> str:
        return f"Prepare(generation={self.generation}, config=<{len(self.config)} bytes>, secrets=<hidden>)"


class Commit(Message, frozen=True):
    """Supervisor: serve what was prepared last."""

    generation: int


class Abort(Message, frozen=True):
    """Supervisor: forget what was prepared last."""

    generation: int


class Steer(Message, frozen=True):
    """Supervisor: send requests where these weights say, which it heard so many seconds ago."""

    weights: Weights
    heard_ago: float


class Grant(Message, frozen=True):
    """Supervisor: apply these parts of limits, by backend; they stay until others come."""

    parts: dict[str, Limits]


class Inherit(Message, frozen=True):
    """Supervisor: those whose place it takes had spent so much in the minutes before these times (monotonic seconds,
    the oldest first), by backend. It comes before any configuration."""

    spent: list[tuple[float, dict[str, Limits]]]


class Ask(Message, frozen=True):
    """Supervisor: report now."""

    number: int


class Drain(Message, frozen=True):
    """Supervisor: take no more connections, finish requests, exit."""

    timeout: float


class Prepared(Message, frozen=True):
    """Worker: the answer to ``Prepare``; ``error`` says why the configuration cannot serve."""

    generation: int
    error: str | None = None


class Committed(Message, frozen=True):
    """Worker: the answer to ``Commit``; ``error`` says why it cannot listen."""

    generation: int
    error: str | None = None


class Report(Message, frozen=True):
    """Worker: what it counted since the last report, every second and when asked.

    ``answers`` is the number of the question, 0 for none. ``lag`` is the longest delay of the loop since the last
    report in seconds, ``memory`` the resident set in bytes, ``limits`` are those of the backends that have some.
    """

    answers: int
    snapshot: Snapshot
    draining: bool
    lag: float
    memory: int
    limits: dict[str, Allowance] = {}


ToWorker = Setup | Prepare | Commit | Abort | Steer | Grant | Inherit | Ask | Drain
ToSupervisor = Prepared | Committed | Report

Received = TypeVar("Received")


class Link(Generic[Received]):
    """One end of the socket pair. ``receives`` is the union of the messages that may arrive."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, receives: object) -> None:
        self._reader = reader
        self._writer = writer
        self._encode = msgspec.msgpack.Encoder().encode
        self._decoder: msgspec.msgpack.Decoder[Received] = msgspec.msgpack.Decoder(receives)

    @classmethod
    async def open(cls, end: socket.socket, receives: object) -> "Link[Received]":
        """Take over a connected socket."""
        reader, writer = await asyncio.open_connection(sock=end)
        return cls(reader, writer, receives)

    def send(self, message: ToWorker | ToSupervisor) -> None:
        """Queue a message. The other end is a process of ours that reads; if it has gone, the message goes too."""
        if self._writer.is_closing():
            return
        data = self._encode(message)
        self._writer.write(_LENGTH.pack(len(data)))
        self._writer.write(data)

    async def receive(self) -> Received | None:
        """The next message, or None when the other end has closed or died.

        Raises ``msgspec.DecodeError`` (or its ``ValidationError``) for what is no message.
        """
        try:
            (length,) = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))
            if length > MAX_MESSAGE_BYTES:
                raise msgspec.DecodeError(f"message of {length} bytes")
            return self._decoder.decode(await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, OSError):
            return None

    async def flush(self) -> None:
        """Wait until what was sent has left, or the other end has gone."""
        try:
            await self._writer.drain()
        except OSError:
            return

    def close(self) -> None:
        """Close this end; what was sent still leaves."""
        self._writer.close()
