"""TLS contexts against a real TLS server."""

import asyncio
import gc
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from signalbox.router.upstream.tls import TlsContexts
from signalbox.routing.config import Tls


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture(scope="module")
def secrets(authority: trustme.CA) -> dict[str, bytes]:
    client = authority.issue_cert("client@example.com")
    return {
        "ca": authority.cert_pem.bytes(),
        "certificate": b"".join(part.bytes() for part in client.cert_chain_pems),
        "key": client.private_key_pem.bytes(),
    }


@asynccontextmanager
async def server(authority: trustme.CA, client_certificate: bool = False) -> AsyncIterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("engine.example").configure_cert(context)
    if client_certificate:
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        await listener.wait_closed()


async def echo(port: int, tls: Tls, secrets: Mapping[str, bytes]) -> bytes:
    context = TlsContexts().context(tls, secrets)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=tls.server_name)
    writer.write(b"hello\n")
    line = await reader.readline()
    writer.close()
    return line


async def test_pinned_authority_and_name(authority: trustme.CA, secrets: dict[str, bytes]) -> None:
    async with server(authority) as port:
        assert await echo(port, Tls(server_name="engine.example", ca="ca"), secrets) == b"hello\n"
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            await echo(port, Tls(server_name="other.example", ca="ca"), secrets)
        with pytest.raises(ssl.SSLCertVerificationError):
            await echo(port, Tls(server_name="engine.example"), secrets)


async def test_client_certificate(authority: trustme.CA, secrets: dict[str, bytes]) -> None:
    tls = Tls(server_name="engine.example", ca="ca", certificate="certificate", key="key")
    async with server(authority, client_certificate=True) as port:
        assert await echo(port, tls, secrets) == b"hello\n"


def test_no_key_is_left_in_a_file(secrets: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    tls = Tls(server_name="e", ca="ca", certificate="certificate", key="key")
    TlsContexts().context(tls, secrets)
    monkeypatch.delattr("os.memfd_create", raising=False)
    TlsContexts().context(tls, secrets)
    with pytest.raises(ValueError, match="key"):
        TlsContexts().context(tls, secrets | {"key": b"x"})
    assert list(tmp_path.iterdir()) == []


def test_contexts_are_shared_by_content_and_forgotten_with_their_last_user(secrets: dict[str, bytes]) -> None:
    contexts = TlsContexts()
    first = contexts.context(Tls(server_name="a", ca="ca"), secrets)
    assert contexts.context(Tls(server_name="b", ca="copy"), {"copy": secrets["ca"]}) is first
    assert contexts.context(Tls(server_name="a"), secrets) is not first
    del first
    gc.collect()
    assert len(contexts._contexts) == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ca": b"no pem"}, "entry ca: no PEM certificates"),
        ({"ca": b"\xff"}, "entry ca: no PEM certificates"),
        ({"ca": None}, "entry ca is missing"),
        ({"certificate": b"no pem"}, "entry certificate: no PEM certificates"),
        ({"key": b"no pem"}, "entry key: no usable PEM private key for certificate"),
        ({"key": trustme.CA().private_key_pem.bytes()}, "entry key: no usable PEM private key"),
    ],
)
def test_bad_entry_is_named(secrets: dict[str, bytes], changes: dict[str, bytes | None], message: str) -> None:
    tls = Tls(server_name="e", ca="ca", certificate="certificate", key="key")
    given = {name: content for name, content in (secrets | changes).items() if content is not None}
    with pytest.raises(ValueError, match=message):
        TlsContexts().context(tls, given)


def test_certificate_without_key(secrets: dict[str, bytes]) -> None:
    with pytest.raises(ValueError, match="entry certificate: a client certificate without its key"):
        TlsContexts().context(Tls(server_name="e", certificate="certificate"), secrets)


def test_encrypted_key_asks_nobody(secrets: dict[str, bytes]) -> None:
    key = serialization.load_pem_private_key(secrets["key"], password=None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"passphrase"),
    )
    tls = Tls(server_name="e", certificate="certificate", key="key")
    with pytest.raises(ValueError, match="store it without a passphrase"):
        TlsContexts().context(tls, secrets | {"key": encrypted})
