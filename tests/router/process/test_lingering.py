"""Clients that were told to leave can still read it, for a second."""

import asyncio
import socket
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest

from signalbox.router.process import lingering
from signalbox.router.process.lingering import LINGER_SECONDS, MAX_LINGERING, READ_BYTES, Lingering
from waiting import until


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(lingering, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


class Room:
    """Connections over the network of this machine, of which one end lingers."""

    def __init__(self) -> None:
        self.kept = Lingering()
        self.door = socket.create_server(("127.0.0.1", 0), backlog=MAX_LINGERING * 2)
        self.clients: list[socket.socket] = []

    def leave(self, first: bytes = b"") -> socket.socket:
        """The end of a client that sent something first, and was told."""
        client = socket.create_connection(self.door.getsockname(), 5)
        self.clients.append(client)
        client.sendall(first)
        server, _ = self.door.accept()
        server.send(b"told")
        server.shutdown(socket.SHUT_WR)
        self.kept.keep(server)
        return client


@pytest.fixture
async def room(clock: Clock) -> AsyncIterator[Room]:
    room = Room()
    yield room
    room.kept.close()
    for each in (room.door, *room.clients):
        each.close()


def heard(client: socket.socket) -> bytes:
    """All that a client is told, to the end."""
    return b"".join(iter(lambda: client.recv(100), b""))


async def test_who_still_sends_reads_why(room: Room) -> None:
    client = room.leave()
    for _ in range(3):  # to a closed one the second of these fails
        client.sendall(b"rest of a request")
        await asyncio.sleep(0.005)
    assert heard(client) == b"told"


async def test_who_sends_more_than_fits_in_the_kernel_reads_why(room: Room) -> None:
    client = room.leave()
    await asyncio.to_thread(client.sendall, b"x" * (8 << 20))
    assert heard(client) == b"told"


async def test_who_has_left_is_forgotten(room: Room) -> None:
    first, staying, last = room.leave(), room.leave(), room.leave(b"a request")
    first.close()
    last.shutdown(socket.SHUT_WR)
    await until(lambda: len(room.kept) == 1)
    assert heard(last) == b"told"
    staying.sendall(b"more")
    assert heard(staying) == b"told"


async def test_after_a_second_it_is_over(room: Room, clock: Clock) -> None:
    early = room.leave(b"a request")
    clock.now += LINGER_SECONDS / 2
    late = room.leave(b"a request")
    room.kept._look()
    assert len(room.kept) == 2
    clock.now += LINGER_SECONDS / 2
    room.kept._look()
    assert len(room.kept) == 1
    assert heard(early) == b"told"
    clock.now += LINGER_SECONDS / 2
    await until(lambda: len(room.kept) == 0)  # by its timer
    assert heard(late) == b"told"
    assert room.kept._timer is None


async def test_of_too_many_the_first_is_left(room: Room) -> None:
    clients = [room.leave(b"x" * READ_BYTES if number == 0 else b"") for number in range(MAX_LINGERING + 1)]
    assert len(room.kept) == MAX_LINGERING
    assert heard(clients[0]) == b"told", "what it had sent was read first"
    with pytest.raises(OSError, match=r"reset|pipe"):
        for _ in range(100):
            clients[0].sendall(b"more")
            await asyncio.sleep(0.005)
    clients[1].sendall(b"more")
    assert heard(clients[1]) == b"told"


async def test_at_the_end_nobody_is_kept(room: Room) -> None:
    client = room.leave()
    room.kept.close()
    assert len(room.kept) == 0
    assert room.kept._timer is None
    assert heard(client) == b"told"
