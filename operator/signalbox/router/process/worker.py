"""A worker: one process, one loop, one listening socket that it shares with its siblings through SO_REUSEPORT.

It serves what its supervisor says and outlives nothing: when the control socket ends, the supervisor has died, and the
worker finishes its requests and exits.
"""

import asyncio
import gc
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import uvloop

from signalbox.control.messages import Weights
from signalbox.loglines import to_standard_error
from signalbox.router.options import ProxyOptions
from signalbox.router.process.acceptor import BACKLOG, Acceptor
from signalbox.router.process.certificate import LOOK_SECONDS, Certificate
from signalbox.router.process.messages import (
    Abort,
    Ask,
    Commit,
    Committed,
    Drain,
    Grant,
    Inherit,
    Link,
    Prepare,
    Prepared,
    Report,
    Setup,
    Steer,
    ToWorker,
)
from signalbox.router.telemetry.accesslog import AccessLog
from signalbox.router.telemetry.snapshot import EndpointGauge
from signalbox.router.telemetry.statistics import Statistics
from signalbox.router.wire.errors import ConfigRejectedError
from signalbox.routing.config import Limits
from signalbox.routing.limits import Allowance

REPORT_SECONDS = 1.0
HANDSHAKE_SECONDS = 10.0
GOODBYE_SECONDS = 5.0

_log = logging.getLogger("signalbox.router.process.worker")


class Application(Protocol):
    """What a worker serves: ``serving.proxy.Proxy``."""

    def prepare(self, config: bytes, secrets: Mapping[str, bytes]) -> Callable[[], None]:
        """Read a configuration as a whole; the function that is returned puts it in force and cannot fail.

        Raises ``ConfigRejectedError``.
        """

    def protocol(self) -> asyncio.Protocol:
        """Serve one client connection."""

    def full(self, pending: int) -> bool:
        """Whether one more client, while ``pending`` others are about to be served, is to be left at once."""

    def turn_away(self) -> bytes:
        """What such a client is told."""

    def steer(self, weights: Weights, heard_ago: float) -> None:
        """Send requests where the weights say, which were heard so many seconds ago."""

    def drain(self) -> None:
        """From here on connections close after their request; idle ones close now."""

    async def drained(self) -> None:
        """Return when the last request has ended."""

    def lease(self, parts: Mapping[str, Limits]) -> None:
        """Apply these parts of limits, by backend, and those of backends that are not named as before."""

    def inherit(self, spent: Sequence[tuple[float, Mapping[str, Limits]]]) -> None:
        """Count what was spent of limits in the minutes before these times (monotonic seconds, the oldest first), by
        backend; called before any configuration."""

    def limits(self) -> dict[str, Allowance]:
        """What is applied of the limits of those backends that have some."""

    def gauges(self) -> Iterable[EndpointGauge]:
        """The state of every endpoint."""


Factory = Callable[[ProxyOptions, Statistics, AccessLog], Application]


class Worker:
    """Relays messages between the supervisor and the application, and watches its own loop."""

    def __init__(self, link: Link[ToWorker], factory: Factory) -> None:
        self._link = link
        self._factory = factory
        self._statistics = Statistics()
        self._server: asyncio.Server | None = None
        self._acceptors: list[Acceptor] = []
        self._prepared: tuple[int, Callable[[], None]] | None = None
        self._certificate: Certificate | None = None
        self._finish = asyncio.Event()
        self._drain_timeout = 0.0
        self._lag = 0.0

    async def run(self) -> None:
        """Serve until told to drain, until SIGTERM, or until the supervisor has gone; then finish the requests."""
        setup = await self._link.receive()
        if not isinstance(setup, Setup):
            return
        self._setup = setup
        self._drain_timeout = setup.drain_timeout
        self._log = AccessLog(setup.access_log)
        self._statistics.log_lines_dropped = lambda: self._log.dropped
        self._application = self._factory(setup.proxy, self._statistics, self._log)
        self._statistics.in_flight = self._application.gauges
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._finish.set)
        # Ctrl-C reaches the whole foreground group; what it means is the supervisor's decision.
        loop.add_signal_handler(signal.SIGINT, lambda: None)
        tasks = [asyncio.ensure_future(self._obey()), asyncio.ensure_future(self._report_regularly())]
        if setup.tls_directory is not None:
            tasks.append(asyncio.ensure_future(self._follow_certificate()))
        try:
            await self._finish.wait()
            await self._end()
        finally:
            for task in tasks:
                task.cancel()
            self._log.close()
            self._report(0)
            await self._link.flush()
            self._link.close()

    async def _end(self) -> None:
        if self._server is not None:
            self._server.close()
        for acceptor in self._acceptors:
            acceptor.close()
        self._application.drain()
        self._report(0)
        try:
            async with asyncio.timeout(self._drain_timeout):
                await self._application.drained()
        except TimeoutError:
            _log.warning("requests were still running after %g s of draining; they are cut", self._drain_timeout)

    async def _obey(self) -> None:
        try:
            while (message := await self._link.receive()) is not None:
                await self._handle(message)
        except Exception:
            _log.exception("the control link is broken; finishing")
        self._finish.set()

    async def _handle(self, message: ToWorker) -> None:
        match message:
            case Prepare():
                self._link.send(Prepared(generation=message.generation, error=self._prepare(message)))
            case Commit():
                self._link.send(Committed(generation=message.generation, error=await self._commit(message.generation)))
            case Abort():
                self._prepared = None
            case Steer():
                self._steer(message)
            case Grant():
                self._application.lease(message.parts)
            case Inherit():
                self._application.inherit(message.spent)
            case Ask():
                self._report(message.number)
            case Drain():
                self._drain_timeout = message.timeout
                self._finish.set()

    def _prepare(self, message: Prepare) -> str | None:
        try:
            self._prepared = (message.generation, self._application.prepare(message.config, message.secrets))
        except ConfigRejectedError as error:
            return str(error) or "rejected"
        except Exception as error:
            # A fault of ours must reject one configuration, not end the traffic of the last good one. The text of an
            # unexpected exception may hold anything, so only its type leaves the process.
            _log.exception("cannot read configuration")
            return f"internal error: {type(error).__name__}"
        return None

    def _steer(self, message: Steer) -> None:
        try:
            self._application.steer(message.weights, message.heard_ago)
        except Exception:
            _log.exception("cannot put weights in force")  # the traffic goes on as it went

    async def _commit(self, generation: int) -> str | None:
        if self._prepared is None or self._prepared[0] != generation:
            return f"configuration {generation} was not prepared"
        self._prepared[1]()
        self._prepared = None
        if self._server is None and not self._finish.is_set():
            try:
                await self._listen()
            except OSError as error:
                return f"cannot listen on port {self._setup.port}: {error.strerror or error}"
            except ValueError as error:
                return f"cannot serve HTTPS: {error}"
            # Whatever lives now lives for good: the collector need not look at it again.
            gc.collect()
            gc.freeze()
        return None

    async def _listen(self) -> None:
        """Raises ``OSError``, and ``ValueError`` where there is no certificate."""
        secure: dict[str, Any] = {}
        if self._setup.tls_directory is not None:
            self._certificate = Certificate(Path(self._setup.tls_directory))
            secure = {
                "ssl": self._certificate.context,
                "ssl_handshake_timeout": HANDSHAKE_SECONDS,
                "ssl_shutdown_timeout": GOODBYE_SECONDS,
            }
        self._server = await asyncio.get_running_loop().create_server(
            self._application.protocol,
            list(self._setup.hosts),
            self._setup.port,
            reuse_port=True,
            backlog=BACKLOG,
            start_serving=not secure,  # see ``Acceptor``
        )
        application = self._application
        pending: set[asyncio.Task[None]] = set()
        self._acceptors = [
            Acceptor(each.fileno(), application.protocol, application.full, application.turn_away, secure, pending)
            for each in self._server.sockets
        ]

    async def _follow_certificate(self) -> None:
        said = ""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                if self._certificate is not None and self._certificate.renew():
                    _log.info("there is a new certificate")
                    said = ""
            except ValueError as error:
                if str(error) != said:
                    said = str(error)
                    _log.warning("the new certificate cannot serve, the one before goes on: %s", said)

    async def _report_regularly(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + REPORT_SECONDS
            await asyncio.sleep(REPORT_SECONDS)
            self._lag = loop.time() - due
            self._report(0)

    def _report(self, answers: int) -> None:
        try:
            limits = self._application.limits()  # first: what a snapshot gives counts as said
            self._link.send(
                Report(
                    answers=answers,
                    snapshot=self._statistics.snapshot(changed_only=True),
                    draining=self._finish.is_set(),
                    lag=max(self._lag, 0.0),
                    memory=resident_bytes(),
                    limits=limits,
                )
            )
        except Exception:
            _log.exception("cannot report")  # the traffic goes on as it went; the next report may be one again


def resident_bytes() -> int:
    """Memory of this process in RAM."""
    try:
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * resource.getpagesize()
    except OSError:
        # Without /proc: the peak, which is in bytes on macOS.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def allow_files() -> None:
    """Open as many files as the system lets this process: the usual first bound is 1,024, soon reached by sockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):  # macOS names a hard bound that it does not grant
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def serve(descriptor: int, factory: Factory) -> None:
    """Be a worker at the other end of an inherited control socket."""
    link: Link[ToWorker] = await Link.open(socket.socket(fileno=descriptor), ToWorker)
    await Worker(link, factory).run()


def run(factory: Factory, arguments: list[str]) -> None:
    """Entry point of the process: the only argument is the number of the control descriptor."""
    if len(arguments) != 1 or not arguments[0].isdigit():
        sys.exit("usage: python -m signalbox.router CONTROL_DESCRIPTOR (started by the supervisor)")
    be(factory, int(arguments[0]))


def be(factory: Factory, descriptor: int) -> None:
    """Be a worker to the end of the process."""
    to_standard_error(f"signalbox worker {os.getpid()}: %(message)s", logging.INFO, secret=True)
    allow_files()
    gc.freeze()  # the modules; the collector was off while they were imported
    # Requests leave little garbage in cycles: look for it less often than by default. What lived for long is looked at
    # after a million objects that came and did not go, which are 150 MB.
    gc.set_threshold(20_000, 10, 5)
    gc.enable()
    uvloop.run(serve(descriptor, factory))
