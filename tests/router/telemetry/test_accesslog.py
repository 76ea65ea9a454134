"""The access log: lines, pieces, and nobody reading."""

import asyncio
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from compiled import needs_python
from signalbox.router.telemetry.accesslog import MAX_WAITING_BYTES, PIECE, AccessLog, format_cost
from signalbox.router.telemetry.entry import Entry


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def lines(data: bytes) -> list[dict[str, object]]:
    assert data.endswith(b"\n")
    return [json.loads(line) for line in data.splitlines()]


async def test_one_line_a_request(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = AccessLog(str(path), clock=lambda: 1_700_000_000.25)
    log.write(Entry(id="a", status=200, input_tokens=3, ttft_ms=0, cost=format_cost(1_500_000)))
    log.write(Entry(id="b", status=502, error="upstream_auth"))
    log.close()
    first, second = lines(path.read_bytes())
    assert first == {
        "time": "2023-11-14T22:13:20.250Z",
        "id": "a",
        "status": 200,
        "inputTokens": 3,
        "cost": "0.0000015",
        "ttftMs": 0,
    }
    assert second["error"] == "upstream_auth"


async def test_lines_leave_by_themselves(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    log = AccessLog(writer)
    os.set_blocking(reader, False)
    arrived = asyncio.Event()
    asyncio.get_running_loop().add_reader(reader, arrived.set)
    log.write(Entry(id="a"))
    async with asyncio.timeout(20):
        await arrived.wait()
    asyncio.get_running_loop().remove_reader(reader)
    assert lines(os.read(reader, 1 << 20))[0]["id"] == "a"
    log.close()


@needs_python
async def test_pieces_are_whole_lines_that_a_pipe_takes_at_once(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    written: list[bytes] = []
    log = AccessLog(writer)
    genuine = log._write

    def spy(data: memoryview) -> int:
        written.append(bytes(data))
        return genuine(data)

    class Spied(AccessLog):
        __slots__ = ()

        def _write(self, data: memoryview) -> int:
            return spy(data)

    spied = Spied(writer)
    for number in range(100):
        spied.write(Entry(id=str(number), target="x" * 200))
    spied.flush()
    spied.close()
    log.close()
    assert all(len(piece) <= PIECE and piece.endswith(b"\n") for piece in written)
    assert [line["id"] for line in lines(os.read(reader, 1 << 20))] == [str(number) for number in range(100)]


async def test_nobody_reads_and_nothing_waits(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    log = AccessLog(writer)
    line = len(b'{"time":"2023-11-14T22:13:20.250Z","target":""}\n') + 1000
    count = 2 * MAX_WAITING_BYTES // line
    for _ in range(count):
        log.write(Entry(target="x" * 1000))
    assert 0 < log.dropped < count
    os.set_blocking(reader, False)
    got = b""
    for _ in range(100):
        log.flush()
        try:
            got += os.read(reader, 1 << 20)
        except BlockingIOError:
            break
    assert len(lines(got)) + log.dropped == count
    assert os.get_blocking(writer)
    log.close()


async def test_reader_that_has_gone_is_counted() -> None:
    reader, writer = os.pipe()
    log = AccessLog(writer)
    os.close(reader)
    log.write(Entry(id="a"))
    log.write(Entry(id="b"))
    log.flush()
    log.close()
    os.close(writer)
    assert log.dropped == 2


async def test_socket_as_destination() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        log = AccessLog(theirs.fileno())
        log.write(Entry(id="a"))
        log.close()
        assert lines(ours.recv(1 << 16))[0]["id"] == "a"
        theirs.send(b"still open")


async def test_no_log() -> None:
    log = AccessLog(None)
    assert not log.enabled
    log.write(Entry(id="a"))
    log.close()


async def test_texts_of_clients_are_cut(tmp_path: Path) -> None:
    log = AccessLog(str(tmp_path / "log"))
    log.write(Entry(id="i" * 10_000, model="m" * 10_000, traceparent="t" * 10_000))
    log.close()
    assert len((tmp_path / "log").read_bytes()) < 1000


@pytest.mark.parametrize(
    ("picos", "text"),
    [(0, ""), (1, "0.000000000001"), (10**12, "1"), (1_250_000_000_000, "1.25"), (10**13 + 10**11, "10.1")],
)
def test_cost(picos: int, text: str) -> None:
    assert format_cost(picos) == text
