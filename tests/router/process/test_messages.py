"""The control link."""

import asyncio
import socket

import msgspec
import pytest

from signalbox.router.options import ProxyOptions
from signalbox.router.process.messages import (
    Abort,
    Ask,
    Commit,
    Committed,
    Drain,
    Link,
    Prepare,
    Prepared,
    Report,
    Setup,
    ToSupervisor,
    ToWorker,
)
from signalbox.router.telemetry.statistics import Statistics


async def pair() -> tuple[Link[ToSupervisor], Link[ToWorker]]:
    one, other = socket.socketpair()
    return await Link.open(one, ToSupervisor), await Link.open(other, ToWorker)


async def test_messages_travel_both_ways_in_order() -> None:
    supervisor, worker = await pair()
    setup = Setup(hosts=("127.0.0.1",), port=1, proxy=ProxyOptions(), access_log=1, drain_timeout=2.0)
    orders: list[ToWorker] = [
        setup,
        Prepare(generation=1, config=b"x" * (5 << 20), secrets={"a": b"\x00\xff"}),
        Commit(generation=1),
        Abort(generation=1),
        Ask(number=4),
        Drain(timeout=1.0),
    ]
    for order in orders:
        supervisor.send(order)
    assert [await worker.receive() for _ in orders] == orders
    answers: list[ToSupervisor] = [
        Prepared(generation=1, error="no"),
        Committed(generation=1),
        Report(answers=4, snapshot=Statistics().snapshot(), draining=False, lag=0.5, memory=1),
    ]
    for answer in answers:
        worker.send(answer)
    assert [await supervisor.receive() for _ in answers] == answers
    worker.close()
    assert await supervisor.receive() is None
    supervisor.send(Ask(number=5))
    await supervisor.flush()
    supervisor.close()


async def test_nonsense_is_an_error() -> None:
    one, other = socket.socketpair()
    link: Link[ToWorker] = await Link.open(one, ToWorker)
    other.send((5).to_bytes(4, "big") + b"hello")
    with pytest.raises(msgspec.DecodeError):
        await link.receive()
    other.send(b"\xff\xff\xff\xff")
    with pytest.raises(msgspec.DecodeError):
        await link.receive()
    other.close()
    link.close()


async def test_half_a_message_is_the_end() -> None:
    one, other = socket.socketpair()
    link: Link[ToWorker] = await Link.open(one, ToWorker)
    other.send(b"\x00\x00\x00\x09abc")
    other.close()
    assert await link.receive() is None
    link.close()
    await asyncio.sleep(0)


def test_secrets_are_not_shown() -> None:
    assert "hidden" in repr(Prepare(generation=1, config=b"c", secrets={"key": b"sk-12345"}))
    assert "12345" not in repr([Prepare(generation=1, config=b"c", secrets={"key": b"sk-12345"})])
