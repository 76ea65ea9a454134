"""What is sent in one turn of the loop goes out at its end, in order, once for each connection."""

import asyncio
import logging
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalbox.router.wire.outbox import MOST_BYTES, MOST_SENDS, Outbox


class Wire:
    """Notes what is written to it."""

    def __init__(self, *, broken: bool = False) -> None:
        self.writes: list[bytes] = []
        self.broken = broken
        self.closed = False

    def write(self, data: bytes) -> None:
        if self.broken:
            raise RuntimeError("cannot write")
        self.writes.append(data)

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True


def transport(wire: Wire) -> asyncio.Transport:
    return cast("asyncio.Transport", wire)


async def test_nothing_is_written_before_the_turn_is_over() -> None:
    outbox, wire = Outbox(), Wire()
    outbox.send(transport(wire), b"one")
    assert wire.writes == []
    await asyncio.sleep(0)
    assert wire.writes == [b"one"]


async def test_what_follows_one_another_on_a_connection_is_one_write() -> None:
    outbox, first, second = Outbox(), Wire(), Wire()
    for wire, data in ((first, b"a"), (first, b"b"), (second, b"x"), (first, b"c")):
        outbox.send(transport(wire), data)
    await asyncio.sleep(0)
    assert first.writes == [b"ab", b"c"]
    assert second.writes == [b"x"]


async def test_each_turn_sends_anew() -> None:
    outbox, wire = Outbox(), Wire()
    for data in (b"1", b"2", b"3"):
        outbox.send(transport(wire), data)
        await asyncio.sleep(0)
    assert wire.writes == [b"1", b"2", b"3"]


async def test_flush_does_not_wait_and_sends_nothing_twice() -> None:
    outbox, wire = Outbox(), Wire()
    outbox.send(transport(wire), b"last")
    outbox.flush()
    assert wire.writes == [b"last"]
    outbox.send(transport(wire), b"more")
    await asyncio.sleep(0)
    assert wire.writes == [b"last", b"more"]


async def test_many_sends_do_not_wait_for_the_last() -> None:
    outbox = Outbox()
    wires = [Wire() for _ in range(MOST_SENDS)]
    for wire in wires:
        outbox.send(transport(wire), b"x")
    assert all(wire.writes == [b"x"] for wire in wires)


async def test_many_bytes_do_not_wait() -> None:
    outbox, small, large = Outbox(), Wire(), Wire()
    outbox.send(transport(small), b"x")
    outbox.send(transport(large), bytes(MOST_BYTES))
    assert small.writes == [b"x"]
    assert large.writes == [bytes(MOST_BYTES)]


async def test_a_connection_that_cannot_be_written_to_takes_nothing_from_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outbox, broken, closed, whole = Outbox(), Wire(broken=True), Wire(), Wire()
    closed.abort()
    for wire in (broken, closed, whole):
        outbox.send(transport(wire), b"x")
    with caplog.at_level(logging.CRITICAL):
        await asyncio.sleep(0)
    assert whole.writes == [b"x"]
    assert closed.writes == []
    assert broken.closed


@given(st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=MOST_BYTES // 8)), max_size=3 * MOST_SENDS))
def test_every_byte_arrives_once_and_in_order(sends: list[tuple[int, bytes]]) -> None:
    wires = [Wire() for _ in range(4)]

    async def turn() -> None:
        outbox = Outbox()
        for number, data in sends:
            outbox.send(transport(wires[number]), data)
        await asyncio.sleep(0)

    asyncio.run(turn())
    for number, wire in enumerate(wires):
        assert b"".join(wire.writes) == b"".join(data for to, data in sends if to == number)
