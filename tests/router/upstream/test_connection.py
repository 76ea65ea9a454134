"""Which connections to an endpoint may serve another request."""

import asyncio

import pytest

from signalbox.router.upstream.connection import UpstreamConnection


class Collector:
    def received(self, raw: bytes) -> None:
        pass

    def lost(self, reason: str) -> None:
        raise AssertionError(reason)


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
