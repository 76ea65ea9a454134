"""What the corpus is played against, each as a process of its own: a router with one worker, and bare Envoy.

Time-outs are short, so that slow clients take seconds. All other limits are what they are by default.
"""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib import util
from pathlib import Path
from typing import Any, Protocol

import msgspec

from benchmarks.harness.peers import _envoy_config
from benchmarks.harness.processes import free_ports
from signalbox.router.options import ProxyOptions, SupervisorOptions
from signalbox.router.process.supervisor import Supervisor
from signalbox.routing.config import RouterConfig, encode

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

    def pid(self) -> int:
        """The process that serves; another one after a crash."""
        ...

    def defects(self) -> int:
        """How often it has said itself that it failed."""
        ...


class Ours:
    """A supervisor, with its one worker in a process of its own."""

    name = "signalbox"
    # Seconds until a case hangs: many, because tests may run on a machine that is busy with others.
    patience = 45.0

    def __init__(self, supervisor: Supervisor, log: Path) -> None:
        self._supervisor = supervisor
        self._log = log
        self.port = supervisor.port

    def pid(self) -> int:
        """See ``System``."""
        (child,) = self._supervisor._children.values() or [None]
        return child.pid if child else 0

    def defects(self) -> int:
        """See ``System``."""
        lines = self._log.read_bytes().splitlines()
        return sum(msgspec.json.decode(line).get("error") == "internal_error" for line in lines)


@asynccontextmanager
async def ours(configuration: RouterConfig, directory: Path) -> AsyncIterator[Ours]:
    """A router."""
    log = directory / "access.log"
    proxy = ProxyOptions(
        allow_cidrs=("127.0.0.0/8",), header_timeout=HEAD_SECONDS, body_timeout=BODY_SECONDS, keep_alive=IDLE_SECONDS
    )
    supervisor = Supervisor(SupervisorOptions(port=0, proxy=proxy, access_log=str(log)))
    await supervisor.start(encode(configuration), {})
    try:
        yield Ours(supervisor, log)
    finally:
        await supervisor.stop(0, 0)


class Envoy:
    """Bare Envoy; it has no word for a defect of its own but its end."""

    name = "envoy"
    patience = 12.0

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self._process = process
        self.port = port

    def pid(self) -> int:
        """See ``System``."""
        return self._process.pid if self._process.poll() is None else 0

    def defects(self) -> int:
        """See ``System``."""
        return 0


def envoy_program() -> Path | None:
    """Envoy, where the extra ``bench`` is installed."""
    spec = util.find_spec("envoy")
    places = list(spec.submodule_search_locations or []) if spec else []
    return next((path for each in places if (path := Path(each) / "_bin" / "envoy").exists()), None)


@asynccontextmanager
async def envoy(program: Path, engine: int, directory: Path) -> AsyncIterator[Envoy]:
    """Envoy before one engine, as the benchmarks run it, with time-outs like ours."""
    (port,) = free_ports(1)
    config = directory / "envoy.json"
    config.write_text(json.dumps(_config(port, engine)))
    command = [str(program), "--config-path", str(config), "--concurrency", "1", "--disable-hot-restart"]
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
        yield Envoy(process, port)
    finally:
        process.kill()
        process.wait()


def _config(port: int, engine: int) -> dict[str, Any]:
    config = _envoy_config(port, engine)
    manager = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"]["timeout"] = f"{WHOLE_SECONDS}s"
    manager |= {
        "stream_idle_timeout": f"{BODY_SECONDS}s",
        "request_headers_timeout": f"{HEAD_SECONDS}s",
        "common_http_protocol_options": {"idle_timeout": f"{IDLE_SECONDS}s"},
    }
    return config
