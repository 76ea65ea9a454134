"""What the corpus is played against, each as a process of its own: a router, and bare Envoy.

Time-outs are short, so that slow clients take seconds. All other limits are what they are by default.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib import util
from pathlib import Path
from typing import Any, Protocol

import msgspec
from msgspec import structs

from benchmarks.harness.peers import TYPES, _envoy_config
from benchmarks.harness.processes import free_ports
from hostile.playing import Writer
from hostile.secure import READ_BYTES, Certified
from signalbox.router.options import ProxyOptions, SupervisorOptions
from signalbox.router.process.supervisor import Supervisor
from signalbox.routing.config import RouterConfig, encode

HANDSHAKE_SECONDS = 2.0
HEAD_SECONDS = 1.0
BODY_SECONDS = 1.5
IDLE_SECONDS = 2.0
WHOLE_SECONDS = 3.0
START_SECONDS = 30.0


class System(Protocol):
    """What stands between clients and engines."""

    name: str
    port: int
    patience: float
    workers: int
    certified: Certified | None

    def pids(self) -> tuple[int, ...]:
        """The processes that serve; others after a crash."""
        ...

    async def defects(self) -> int:
        """How often it has said itself that it failed, or has not said what it had to."""
        ...


async def connect(system: System, *, beneath: bool = False) -> tuple[asyncio.StreamReader, Writer]:
    """A connection of a client: inside TLS where it is spoken, or ``beneath`` it."""
    if system.certified is None or beneath:
        return await asyncio.open_connection("127.0.0.1", system.port, limit=READ_BYTES)
    secure = await system.certified.connect(system.port)
    return secure.reader, secure


class Ours:
    """A supervisor, with its workers in processes of their own."""

    name = "signalbox"
    # Seconds until a case hangs: many, because tests may run on a machine that is busy with others.
    patience = 45.0

    def __init__(self, supervisor: Supervisor, log: Path, workers: int, certified: Certified | None) -> None:
        self._supervisor = supervisor
        self._log = log
        self.port = supervisor.port
        self.workers = workers
        self.certified = certified

    def pids(self) -> tuple[int, ...]:
        """See ``System``."""
        return tuple(sorted(child.pid for child in self._supervisor._children.values()))

    async def defects(self) -> int:
        """See ``System``. A worker that cannot say what it counts is ended sooner or later."""
        self._supervisor._question += 1
        reports = [child.report(self._supervisor._question) for child in self._supervisor._children.values()]
        silent = sum(each is not None for each in await asyncio.gather(*reports, return_exceptions=True))
        lines = self._log.read_bytes().splitlines()
        failed = sum(msgspec.json.decode(line).get("error") == "internal_error" for line in lines)
        return silent + failed + self._supervisor._restarts

    def served(self) -> list[int]:
        """How many connections each worker has had."""
        counters = self._supervisor._totals._living
        return [counters[child.serial].connections_total for child in self._supervisor._children.values()]


@asynccontextmanager
async def ours(
    configuration: RouterConfig, directory: Path, *, workers: int = 1, certified: Certified | None = None
) -> AsyncIterator[Ours]:
    """A router, with a TLS listener where it is ``certified``."""
    log = directory / "access.log"
    proxy = ProxyOptions(
        allow_cidrs=("127.0.0.0/8",),
        header_timeout=HEAD_SECONDS,
        body_timeout=BODY_SECONDS,
        keep_alive=IDLE_SECONDS,
    )
    options = SupervisorOptions(port=0, workers=workers, proxy=proxy, access_log=str(log))
    if certified is not None:
        worker = (sys.executable, str(Path(__file__).with_name("worker.py")), str(HANDSHAKE_SECONDS))
        options = structs.replace(options, tls_directory=str(certified.directory), command=worker)
    supervisor = Supervisor(options)
    await supervisor.start(encode(configuration), {})
    try:
        yield Ours(supervisor, log, workers, certified)
    finally:
        await supervisor.stop(0, 0)


class Envoy:
    """Bare Envoy; it has no word for a defect of its own but its end."""

    name = "envoy"
    patience = 12.0

    def __init__(
        self, process: "subprocess.Popen[bytes]", port: int, workers: int, certified: Certified | None
    ) -> None:
        self._process = process
        self.port = port
        self.workers = workers
        self.certified = certified

    def pids(self) -> tuple[int, ...]:
        """See ``System``."""
        return (self._process.pid,) if self._process.poll() is None else ()

    async def defects(self) -> int:
        """See ``System``."""
        return 0


def envoy_program() -> Path | None:
    """Envoy, where the extra ``bench`` is installed."""
    spec = util.find_spec("envoy")
    places = list(spec.submodule_search_locations or []) if spec else []
    return next((path for each in places if (path := Path(each) / "_bin" / "envoy").exists()), None)


@asynccontextmanager
async def envoy(
    program: Path, engine: int, directory: Path, *, workers: int = 1, certified: Certified | None = None
) -> AsyncIterator[Envoy]:
    """Envoy before one engine, as the benchmarks run it, with time-outs like ours; its workers are threads."""
    (port,) = free_ports(1)
    config = directory / "envoy.json"
    config.write_text(json.dumps(_config(port, engine, certified)))
    command = [str(program), "--config-path", str(config), "--concurrency", str(workers), "--disable-hot-restart"]
    with (directory / "envoy.log").open("wb") as log:
        process = subprocess.Popen([*command, "--log-level", "error"], stdout=log, stderr=log)
    try:
        async with asyncio.timeout(START_SECONDS):
            while True:
                with suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                await asyncio.sleep(0.05)
        yield Envoy(process, port, workers, certified)
    finally:
        process.kill()
        process.wait()


def _config(port: int, engine: int, certified: Certified | None) -> dict[str, Any]:
    config = _envoy_config(port, engine)
    chain = config["static_resources"]["listeners"][0]["filter_chains"][0]
    manager = chain["filters"][0]["typed_config"]
    manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"]["timeout"] = f"{WHOLE_SECONDS}s"
    manager |= {
        "stream_idle_timeout": f"{BODY_SECONDS}s",
        "request_headers_timeout": f"{HEAD_SECONDS}s",
        "common_http_protocol_options": {"idle_timeout": f"{IDLE_SECONDS}s"},
    }
    if certified is not None:
        pair = {
            "certificate_chain": {"filename": str(certified.directory / "tls.crt")},
            "private_key": {"filename": str(certified.directory / "tls.key")},
        }
        chain["transport_socket_connect_timeout"] = f"{HANDSHAKE_SECONDS}s"
        chain["transport_socket"] = {
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": f"{TYPES}.transport_sockets.tls.v3.DownstreamTlsContext",
                "common_tls_context": {"tls_certificates": [pair], "alpn_protocols": ["http/1.1"]},
            },
        }
    return config
