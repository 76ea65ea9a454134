"""The worker process with the real proxy: what it imports, what it weighs, how it ends."""

import asyncio
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from signalbox.router.options import ProxyOptions, SupervisorOptions
from signalbox.router.process.supervisor import Supervisor
from signalbox.router.wire.errors import ConfigRejectedError
from signalbox.routing.config import (
    Access,
    Address,
    Backend,
    Policy,
    Route,
    RouterConfig,
    Share,
    Target,
    Weighted,
    encode,
)

IDLE_BYTES = 45_000_000


def config(model: str = "auto", target: str = "b") -> bytes:
    policy = Policy(
        name="p",
        models=(model,),
        access=Access(anonymous=True),
        targets=(Target(name="t", backend=target),),
        routes=(Route(name="r", strategy=Weighted(targets=(Share(target="t"),))),),
    )
    backend = Backend(name="b", model="m", authority="b", endpoints=(Address(host="10.0.0.1", port=80),))
    return encode(RouterConfig(format_version=1, name="test", policies=(policy,), backends=(backend,)))


@asynccontextmanager
async def running(tls_directory: str | None = None, **proxy: int) -> AsyncIterator[Supervisor]:
    options = ProxyOptions(**proxy)  # type: ignore[arg-type]
    supervisor = Supervisor(SupervisorOptions(port=0, proxy=options, tls_directory=tls_directory))
    await supervisor.start(config(), {})
    try:
        yield supervisor
    finally:
        await supervisor.stop(0, 0)


async def models(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    writer.write(b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return await reader.readexactly(int(length.split(b":")[1]))


async def test_serves_reloads_and_rejects_on_one_connection() -> None:
    async with running() as supervisor:
        reader, writer = await asyncio.open_connection("127.0.0.1", supervisor.port)
        assert b'"auto"' in await models(reader, writer)
        await supervisor.apply(config("other"), {})
        assert b'"other"' in await models(reader, writer)
        for bad in (
            b"{",
            b"{}",
            config(target="nowhere"),
            config().replace(b'"formatVersion":1', b'"formatVersion":9'),
        ):
            with pytest.raises(ConfigRejectedError):
                await supervisor.apply(bad, {})
        assert b'"other"' in await models(reader, writer)
        writer.close()
        await writer.wait_closed()


async def test_idle_worker_is_small() -> None:
    async with running() as supervisor:
        await supervisor.snapshot()
        (worker,) = supervisor.statuses
        assert 1_000_000 < worker.memory <= IDLE_BYTES


async def test_terminated_worker_leaves_in_good_order_and_is_replaced() -> None:
    async with running() as supervisor:
        reader, writer = await asyncio.open_connection("127.0.0.1", supervisor.port)
        await models(reader, writer)
        first = supervisor._children[0]
        os.kill(first.pid, signal.SIGINT)
        await models(reader, writer)
        os.kill(first.pid, signal.SIGTERM)
        assert await reader.read() == b""
        assert await first.ended() == "exit status 0"
        writer.close()
        await writer.wait_closed()
        async with asyncio.timeout(20):
            while supervisor.statuses[0].state != "serving" or supervisor._children[0] is first:
                await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_connection("127.0.0.1", supervisor.port)
        assert b'"auto"' in await models(reader, writer)
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    ("modules", "forbidden"),
    [
        (
            "signalbox.router.serving.proxy, signalbox.router.process.worker",
            "pydantic yaml aiohttp httpx kopf kubernetes cel_expr_python prometheus_client google.protobuf rich click "
            "tempfile",
        ),
        (
            "signalbox.router.process.supervisor",
            "pydantic yaml aiohttp httpx kopf kubernetes cel_expr_python google.protobuf rich click httptools re2 "
            "prometheus_client tempfile",
        ),
        (
            "signalbox.cli.router",
            "pydantic yaml aiohttp httpx kopf kubernetes cel_expr_python google.protobuf rich prometheus_client "
            "http.client email tempfile",
        ),
    ],
)
def test_imports_are_lean(modules: str, forbidden: str) -> None:
    script = f"import sys, {modules}; print(*(set({forbidden.split()!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_garbage_is_looked_for_once_the_modules_are_there_and_not_among_them() -> None:
    script = (
        "import gc, sys, uvloop\n"
        "uvloop.run = lambda serve: (serve.close(), print(gc.isenabled(), gc.get_freeze_count() > 10_000))\n"
        "sys.argv = ['signalbox.router', '0']\n"
        "import signalbox.router.__main__"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"], done.stderr


def test_started_by_hand_says_who_starts_it() -> None:
    done = subprocess.run([sys.executable, "-m", "signalbox.router"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "started by the supervisor" in done.stderr


async def test_handshakes_that_nobody_ends_are_counted_among_connections(tmp_path: Path) -> None:
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    issued = authority.issue_cert("router.example", key_type=trustme.KeyType.ECDSA)
    (tmp_path / "tls.crt").write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    (tmp_path / "tls.key").write_bytes(issued.private_key_pem.bytes())
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    async with running(str(tmp_path), max_connections=4) as supervisor:
        silent = [await asyncio.open_connection("127.0.0.1", supervisor.port) for _ in range(4)]
        reader, writer = await asyncio.open_connection("127.0.0.1", supervisor.port)
        assert await reader.read() == b""
        assert not any(waiting.at_eof() for waiting, _ in silent)
        writer.close()
        silent[0][1].close()
        while True:
            try:
                client = await asyncio.open_connection(
                    "127.0.0.1", supervisor.port, ssl=trust, server_hostname="router.example"
                )
                break
            except OSError:  # nobody has seen yet that one has left
                await asyncio.sleep(0.05)
        assert b"auto" in await models(*client)
        for _, each in (*silent[1:], client):
            each.close()
