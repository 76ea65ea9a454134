"""The certificate that clients see, and how it is replaced."""

import asyncio
import ssl
import sys
from pathlib import Path

import pytest
import trustme

from signalbox.router.options import SupervisorOptions
from signalbox.router.process.certificate import Certificate
from signalbox.router.process.supervisor import Supervisor

AUTHORITY = trustme.CA(key_type=trustme.KeyType.ECDSA)


def write(directory: Path, name: str, *, key: trustme.LeafCert | None = None) -> trustme.LeafCert:
    issued = AUTHORITY.issue_cert(name, key_type=trustme.KeyType.ECDSA)
    chain = b"".join(pem.bytes() for pem in issued.cert_chain_pems)
    (directory / "tls.crt").write_bytes(chain)
    (directory / "tls.key").write_bytes((key or issued).private_key_pem.bytes())
    return issued


def shown(context: ssl.SSLContext, name: str) -> str:
    """The name in the certificate that a client gets; raises where it is not ``name``."""
    client = ssl.create_default_context()
    AUTHORITY.configure_trust(client)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server_side = context.wrap_bio(to_server, to_client, server_side=True)
    client_side = client.wrap_bio(to_client, to_server, server_hostname=name)
    for _ in range(4):
        for side in (client_side, server_side):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    certificate = client_side.getpeercert()
    assert certificate is not None
    return str(certificate["subjectAltName"][0][1])


def test_a_new_pair_is_shown_to_whoever_comes_next(tmp_path: Path) -> None:
    write(tmp_path, "one.example")
    certificate = Certificate(tmp_path)
    assert shown(certificate.context, "one.example") == "one.example"
    assert not certificate.renew()
    write(tmp_path, "two.example")
    assert certificate.renew()
    assert shown(certificate.context, "two.example") == "two.example"


def test_a_bad_pair_changes_nothing(tmp_path: Path) -> None:
    issued = write(tmp_path, "one.example")
    certificate = Certificate(tmp_path)
    write(tmp_path, "two.example", key=issued)
    with pytest.raises(ValueError, match="KEY_VALUES_MISMATCH"):
        certificate.renew()
    assert shown(certificate.context, "one.example") == "one.example"
    assert not certificate.renew()  # said once
    (tmp_path / "tls.crt").write_text("nonsense")
    with pytest.raises(ValueError, match=r".+"):
        certificate.renew()
    (tmp_path / "tls.crt").unlink()
    with pytest.raises(ValueError, match=r"tls\.crt"):
        certificate.renew()
    assert shown(certificate.context, "one.example") == "one.example"


def test_without_a_pair_there_is_nothing_to_serve(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"tls\.crt"):
        Certificate(tmp_path)


async def test_a_router_changes_its_certificate_under_open_connections(tmp_path: Path) -> None:
    write(tmp_path, "one.example")
    command = (sys.executable, str(Path(__file__).with_name("standin_worker.py")))
    supervisor = Supervisor(SupervisorOptions(port=0, workers=2, command=command, tls_directory=str(tmp_path)))
    await supervisor.start(b"one", {})
    client = ssl.create_default_context()
    AUTHORITY.configure_trust(client)

    async def connect(name: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", supervisor.port, ssl=client, server_hostname=name)

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"hello\n")
        return (await reader.readline()).split()[1]

    try:
        first = await connect("one.example")
        assert await ask(*first) == b"one"
        write(tmp_path, "two.example")
        async with asyncio.timeout(30):
            for _ in range(20):  # whichever worker it is that answers
                while True:
                    try:
                        second = await connect("two.example")
                        break
                    except ssl.SSLCertVerificationError:
                        await asyncio.sleep(0.1)
                assert await ask(*second) == b"one"
                second[1].close()
        assert await ask(*first) == b"one"
        first[1].close()
    finally:
        await supervisor.stop(0, 0)


def swap(directory: Path, name: str) -> None:
    """Another pair, put in place at once, as a kubelet does it."""
    content = directory / f"..{name}"
    content.mkdir()
    write(content, name)
    link = directory / "..new"
    link.symlink_to(content.name)
    link.rename(directory / "..data")


async def test_no_request_fails_while_certificates_change_under_load(tmp_path: Path) -> None:
    swap(tmp_path, "n0.example")
    command = (sys.executable, str(Path(__file__).with_name("standin_worker.py")))
    supervisor = Supervisor(SupervisorOptions(port=0, workers=2, command=command, tls_directory=str(tmp_path)))
    await supervisor.start(b"one", {})
    client = ssl.create_default_context()
    AUTHORITY.configure_trust(client)
    client.check_hostname = False
    seen: list[str] = []
    answered = 0
    stopped = False

    async def traffic(requests: int) -> None:
        nonlocal answered
        while not stopped:
            reader, writer = await asyncio.open_connection("127.0.0.1", supervisor.port, ssl=client)
            certificate = writer.get_extra_info("peercert")
            seen.append(certificate["subjectAltName"][0][1])
            for _ in range(requests):
                writer.write(b"hello\n")
                assert (await reader.readline()).split()[1] == b"one"
                answered += 1
            writer.close()

    try:
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for requests in (1, 1, 10, 100):
                group.create_task(traffic(requests))
            for name in ("n1.example", "n2.example", "n3.example"):
                swap(tmp_path, name)
                while seen[-20:].count(name) < 20:  # both workers have it
                    await asyncio.sleep(0.05)
            stopped = True
    finally:
        await supervisor.stop(0, 0)
    assert set(seen) == {"n0.example", "n1.example", "n2.example", "n3.example"}
    assert answered >= len(seen) > 80


async def test_a_router_without_a_usable_certificate_does_not_start(tmp_path: Path) -> None:
    write(tmp_path, "one.example")
    (tmp_path / "tls.key").write_text("nonsense")
    command = (sys.executable, str(Path(__file__).with_name("standin_worker.py")))
    supervisor = Supervisor(SupervisorOptions(port=0, command=command, tls_directory=str(tmp_path)))
    with pytest.raises(OSError, match="cannot serve HTTPS"):
        await supervisor.start(b"one", {})
