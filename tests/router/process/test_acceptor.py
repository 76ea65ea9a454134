"""Many connections that come in one turn of a loop: all of them are let in soon."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import cast

import pytest

from signalbox.router.process.acceptor import LETTING_IN, MOST_SAVED_SECONDS, TURNING_AWAY, Acceptor
from waiting import until


class Served(asyncio.Protocol):
    """Says which came."""

    let_in = 0
    refused = 0
    most = 1000
    transports: list[asyncio.Transport]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)  # by its methods
        type(self).let_in += 1
        self.transports.append(transport)
        transport.write(b"come in")

    @classmethod
    def full(cls, pending: int) -> bool:
        return cls.let_in + pending >= cls.most

    @classmethod
    def turn_away(cls) -> bytes:
        cls.refused += 1
        return b"too many"


class Clock:
    """It goes on by a step with each look."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.step = 0.0

    def monotonic(self) -> float:
        self.now += self.step
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("signalbox.router.process.acceptor.time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


class Door:
    """A server with its acceptor, and clients that knock."""

    def __init__(self, server: asyncio.Server, acceptor: Acceptor, protocol: type[Served]) -> None:
        self.server = server
        self.acceptor = acceptor
        self.protocol = protocol
        self.address = server.sockets[0].getsockname()
        self.clients: list[socket.socket] = []

    def knock(self, count: int) -> list[socket.socket]:
        """Connections that the kernel makes, while the loop does something else."""
        self.clients += (new := [socket.create_connection(self.address, 5) for _ in range(count)])
        return new


@pytest.fixture
async def door(clock: Clock) -> AsyncIterator[Door]:
    protocol = type("Here", (Served,), {"transports": []})
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0, backlog=1024)
    acceptor = Acceptor(server.sockets[0].fileno(), protocol, protocol.full, protocol.turn_away, {}, set())
    found = Door(server, acceptor, protocol)
    yield found
    acceptor.close()
    server.close()
    for each in (*found.clients, *found.protocol.transports):
        each.close()
    await asyncio.sleep(0)


async def heard(client: socket.socket, most: int) -> bytes:
    """What a client is told. The loop runs meanwhile: what it was asked to write need not have left yet."""
    return await asyncio.to_thread(client.recv, most)


async def all_heard(clients: list[socket.socket], most: int) -> list[bytes]:
    return [await heard(client, most) for client in clients]


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_all_are_let_in_within_a_few_turns(door: Door) -> None:
    clients = door.knock(200)
    await turns(20)
    assert door.protocol.let_in == 200
    assert await all_heard(clients, 7) == [b"come in"] * 200
    assert all(
        each.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        for each in door.protocol.transports
    )


async def test_letting_in_takes_a_part_of_the_time(door: Door, clock: Clock) -> None:
    door.server.close()  # what the server itself lets in is not meant
    asyncio.get_running_loop().remove_reader(door.acceptor._socket)  # nor more than what is asked for here
    door.knock(100)
    clock.step = 0.001  # so long takes one
    most = round(MOST_SAVED_SECONDS / clock.step)
    door.acceptor._accept()
    await until(lambda: door.protocol.let_in >= most)
    await turns(20)
    assert door.protocol.let_in <= most + 2  # the last one may take longer than is left
    clock.now += 0.1
    door.acceptor._accept()
    more = round((0.1 + MOST_SAVED_SECONDS) * LETTING_IN / clock.step)
    await until(lambda: door.protocol.let_in >= most + more)
    await turns(20)
    assert door.protocol.let_in <= most + more + 4


async def test_turning_away_takes_a_smaller_part(door: Door, clock: Clock) -> None:
    door.server.close()
    asyncio.get_running_loop().remove_reader(door.acceptor._socket)
    door.protocol.most = 0
    door.knock(100)
    clock.step = 0.001
    door.acceptor._accept()
    most = round(MOST_SAVED_SECONDS / clock.step)
    assert most <= door.protocol.refused <= most + 2
    clock.now += 0.1
    door.acceptor._accept()
    more = round((0.1 + MOST_SAVED_SECONDS) * TURNING_AWAY / clock.step)
    assert most + more <= door.protocol.refused <= most + more + 4
    assert door.protocol.let_in == 0


async def test_one_too_many_is_told_and_left(door: Door) -> None:
    door.protocol.most = 5
    door.server.close()
    clients = door.knock(20)
    for client in clients[:10]:
        client.send(b"a request")
    await until(lambda: door.protocol.refused == 15)
    told = await all_heard(clients, 8)
    assert sorted(told) == [b"come in"] * 5 + [b"too many"] * 15
    left = [client for client, said in zip(clients, told, strict=True) if said == b"too many"]
    assert await all_heard(left, 8) == [b""] * 15


async def test_who_is_told_while_it_still_sends_can_read_it(door: Door) -> None:
    door.protocol.most = 0
    clients = door.knock(10)
    await until(lambda: door.protocol.refused == 10)
    for _ in range(3):
        for client in clients:
            client.sendall(b"a part of a request")
        await asyncio.sleep(0.005)
    assert await all_heard(clients, 8) == [b"too many"] * 10


async def test_who_is_left_is_not_left_to_the_server_who_comes_in_is(door: Door) -> None:
    door.server.close()
    door.knock(20)
    door.acceptor._knocked()
    assert not door.acceptor._pending, "the server first"
    door.protocol.most = 0
    await until(lambda: door.protocol.refused == 20)
    door.knock(20)
    door.acceptor._knocked()
    assert door.protocol.refused == 40, "at once"


async def test_those_on_their_way_by_another_door_are_counted(door: Door) -> None:
    door.protocol.most = 5
    door.server.close()
    handshakes = [door.acceptor._loop.create_task(asyncio.Event().wait()) for _ in range(3)]
    door.acceptor._pending.update(handshakes)  # type: ignore[arg-type]
    clients = door.knock(20)
    await until(lambda: door.protocol.refused == 18)
    assert sorted(await all_heard(clients, 8)) == [b"come in"] * 2 + [b"too many"] * 18
    for each in handshakes:
        each.cancel()


async def test_with_tls_nothing_is_told_that_nobody_would_understand(door: Door) -> None:
    door.protocol.most = 0
    door.server.close()
    door.acceptor._options = {"ssl": object()}
    clients = door.knock(3)
    await until(lambda: door.protocol.refused == 3)
    assert await all_heard(clients, 8) == [b""] * 3


async def test_when_nothing_more_can_be_opened_nobody_is_asked_in_each_turn(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    door.server.close()
    asked = []

    class Exhausted:
        def __init__(self, knocking: socket.socket) -> None:
            self.fileno = knocking.fileno
            self.close = knocking.close

        def accept(self) -> None:
            asked.append(1)
            raise OSError(errno.EMFILE, "too many open files")

    real = door.acceptor._socket
    monkeypatch.setattr(door.acceptor, "_socket", Exhausted(real))
    monkeypatch.setattr("signalbox.router.process.acceptor.REST_SECONDS", 0.01)
    door.knock(1)
    await until(lambda: len(asked) == 3)  # each after a rest, which nothing but a timer ends
    asked.clear()
    await turns(20)
    assert len(asked) <= 1
    monkeypatch.setattr(door.acceptor, "_socket", real)
    await until(lambda: door.protocol.let_in == 1)


async def test_who_has_left_already_harms_nobody(door: Door) -> None:
    for client in door.knock(50):
        client.close()
    staying = door.knock(5)
    await turns(20)
    assert door.protocol.let_in >= 5
    assert await all_heard(staying, 7) == [b"come in"] * 5


async def test_what_fails_for_one_is_only_said(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    door.acceptor._factory = lambda: 1 / 0  # type: ignore[assignment,return-value]
    door.knock(20)
    await until(lambda: "cannot serve a connection" in caplog.text)
    await turns(20)
    assert door.protocol.let_in < 20


async def test_nobody_is_let_in_after_the_end(door: Door) -> None:
    door.knock(20)
    door.acceptor._knocked()
    door.acceptor.close()
    door.server.close()
    await turns(5)
    assert door.protocol.let_in <= 2
