"""A client's TLS done by hand, so that it can also misbehave beneath it; and what such clients begin with."""

import asyncio
import ssl
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

import trustme

HOST = "router.test"
READ_BYTES = 64 << 10
# Types of records of a handshake: its messages, and why it has failed.
RECORDS = (b"\x16", b"\x15")


class Secure:
    """A connection inside TLS; ``reader`` and the methods are as those of asyncio's streams.

    ``beneath`` is the connection that carries it; nothing is read from it while ``reading`` is not set.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext) -> None:
        self._from = reader
        self.beneath = writer
        self.transport = writer.transport
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=HOST)
        self._ended = False
        self.reader = asyncio.StreamReader(limit=READ_BYTES)
        self.reading = asyncio.Event()
        self.reading.set()

    async def begin(self) -> None:
        """The handshake. Raises ``OSError``, of which ``SSLError`` is one."""
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._flush()
                await self._fetch()
        self._flush()
        self._pump = asyncio.ensure_future(self._read())

    def wrapped(self, data: bytes) -> bytes:
        """What goes over the wire for these bytes."""
        self._tls.write(data)
        return self._out.read()

    def write(self, data: bytes) -> None:
        """Send."""
        self.beneath.write(self.wrapped(data))

    async def drain(self) -> None:
        """Wait until much of it is gone."""
        await self.beneath.drain()

    def write_eof(self) -> None:
        """End as TLS wants it."""
        with suppress(ssl.SSLError):  # the other side has not ended yet, or has sent more meanwhile
            self._tls.unwrap()
        self._flush()
        self.cut()

    def cut(self) -> None:
        """End without the word that TLS has for it."""
        self._ended = True
        self.beneath.write_eof()

    def _flush(self) -> None:
        data = self._out.read()
        if data and not self._ended:
            self.beneath.write(data)

    async def _fetch(self) -> None:
        data = await self._from.read(READ_BYTES)
        if not data:
            raise ConnectionResetError
        self._in.write(data)

    async def _read(self) -> None:
        """Hand on what is inside until the connection ends; there is no more to read behind a broken record either."""
        try:
            while True:
                try:
                    if not (data := self._tls.read(READ_BYTES)):
                        break
                    self.reader.feed_data(data)
                except ssl.SSLWantReadError:
                    self._flush()
                    await self.reading.wait()
                    await self._fetch()
        except OSError:
            pass
        finally:
            self.reader.feed_eof()


class Certified:
    """A server's pair in a directory, and the contexts of clients that trust it."""

    def __init__(self, directory: Path) -> None:
        authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        issued = authority.issue_cert(HOST, key_type=trustme.KeyType.ECDSA)
        self.directory = directory
        (directory / "tls.crt").write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        (directory / "tls.key").write_bytes(issued.private_key_pem.bytes())
        self.context = ssl.create_default_context()
        authority.configure_trust(self.context)

    async def connect(self, port: int) -> Secure:
        """A connection whose handshake is done."""
        secure = Secure(*await asyncio.open_connection("127.0.0.1", port), self.context)
        await secure.begin()
        return secure


def hello(most: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> bytes:
    """What a client says first that speaks no later version than this."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.maximum_version = most
    out = ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=HOST).do_handshake()
    return out.read()


def _of_version(minor: int) -> bytes:
    """The same of a version that no library speaks any more: up to 1.2, it stands in one place only."""
    said = bytearray(hello(ssl.TLSVersion.TLSv1_2))
    said[9:11] = 3, minor
    return bytes(said)


HELLO = hello()
WORDS = MappingProxyType(
    {
        "HELLO": HELLO.decode("latin-1"),
        "HALF_HELLO": HELLO[: len(HELLO) // 2].decode("latin-1"),
        "HELLO_1_1": _of_version(2).decode("latin-1"),
        "HELLO_1_0": _of_version(1).decode("latin-1"),
        "HELLO_SSL3": _of_version(0).decode("latin-1"),
        "BIG": "a" * 65535,
        "HELLO_1_9": _of_version(10).decode("latin-1"),
    }
)
