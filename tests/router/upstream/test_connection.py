"""Which connections to an endpoint may serve another request."""

import asyncio

import pytest

from signalbox.router.upstream.connection import UpstreamConnection

HEAD = b"HTTP/1.1 200 OK\r\n"
WHOLE = HEAD + b"content-length: 2\r\n\r\nok"


class Collector:
    def received(self, raw: bytes) -> None:
        pass

    def lost(self, reason: str) -> None:
        raise AssertionError(reason)


class Expecting:
    """Remembers why it lost its connection."""

    reason = ""

    def received(self, raw: bytes) -> None:
        pass

    def lost(self, reason: str) -> None:
        self.reason = reason

    def crashed(self) -> None:
        raise AssertionError


class Transport(asyncio.Transport):
    def abort(self) -> None:
        pass


def fed(*reads: bytes) -> tuple[UpstreamConnection, list[bytes], str]:
    """A connection that has read this, what of it was body, and why it gave up."""
    pieces: list[bytes] = []
    receiver = Expecting()
    connection = UpstreamConnection()
    connection.connection_made(Transport())
    connection.receiver = receiver
    for read in reads:
        if connection.receiver is not None:
            connection.data_received(read)
            pieces += connection.pieces
            connection.pieces.clear()
    return connection, pieces, receiver.reason


@pytest.mark.parametrize(
    ("response", "reusable"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", True),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", False),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok", False),
    ],
)
async def test_a_connection_is_kept_as_its_response_allows(response: bytes, reusable: bool) -> None:
    accepted: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
    server = await asyncio.start_server(lambda _, writer: accepted.put_nowait(writer), "127.0.0.1", 0)
    async with server:
        address = server.sockets[0].getsockname()
        transport, connection = await asyncio.get_running_loop().create_connection(UpstreamConnection, *address)
        connection.receiver = Collector()
        connection.data_received(response)
        assert connection.reusable is reusable
        connection.receiver = None
        transport.close()
        (await accepted.get()).close()


@pytest.mark.parametrize("first", [WHOLE, b"HTTP/1.1 500 X\r\ncontent-length: 0\r\nx-a: 1\r\n\r\n"])
@pytest.mark.parametrize(
    "second", [WHOLE, b"HTTP/1.1 103 Early Hints\r\n\r\n" + WHOLE, b"HTTP/1.1 204 X\r\n\r\n", b"HTTP"]
)
def test_nothing_of_a_second_response_is_read(first: bytes, second: bytes) -> None:
    alone, body, _ = fed(first)
    connection, pieces, reason = fed(first + second)
    assert not reason
    assert (connection.status, connection.headers, pieces) == (alone.status, alone.headers, body)
    assert connection.done
    assert not connection.reusable


@pytest.mark.parametrize("coding", [b"gzip, chunked", b"chunked, chunked", b"gzip", b"identity", b"chunked, gzip"])
def test_only_chunks_are_understood(coding: bytes) -> None:
    _, pieces, reason = fed(HEAD + b"transfer-encoding: " + coding + b"\r\n\r\n2\r\nok\r\n0\r\n\r\n")
    assert reason.startswith("malformed response: ")
    assert not pieces


def test_no_status_is_no_interim_answer() -> None:
    assert fed(b"HTTP/1.1 000 X\r\n\r\n")[2] == "malformed response: no status"


@pytest.mark.parametrize("end", [b"0\r\nx: ", b"1;"], ids=["a trailer", "an extension"])
def test_what_surrounds_a_body_is_bounded(end: bytes) -> None:
    chunks = b"2\r\nok\r\n"
    _, _, reason = fed(HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunks + end, *[b"a" * 1_000] * 66)
    assert reason == "too many bytes around the body"


def test_chunks_in_many_small_reads_have_no_bound() -> None:
    _, pieces, reason = fed(HEAD + b"transfer-encoding: chunked\r\n\r\n", *[b"2\r\n", b"ok\r\n"] * 20_000)
    assert not reason
    assert len(pieces) == 20_000


def test_spaces_around_a_value_are_none_of_it() -> None:
    connection, pieces, reason = fed(HEAD + b"x-a: \t1 \t\r\nx-a:2 \r\ncontent-length: 2 \r\n\r\nok")
    assert not reason
    assert (connection.headers[b"x-a"], pieces) == (b"1, 2", [b"ok"])
