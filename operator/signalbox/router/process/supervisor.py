"""The supervisor: keeps the workers alive and all of them on one configuration.

It is lean, because it also runs in each router pod: it knows no resource, only configurations and secrets as bytes.
"""

import asyncio
import logging
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from signalbox.control.messages import Applied, Leases, RouteWeights, Traffic, Ways, Weights
from signalbox.router.options import SupervisorOptions
from signalbox.router.process.admin import AdminServer, Health
from signalbox.router.process.certificate import end_of
from signalbox.router.process.child import Child, ChildGoneError
from signalbox.router.process.forked import Forked
from signalbox.router.process.leased import Leased
from signalbox.router.process.messages import Report, Setup
from signalbox.router.process.ports import PortReservation
from signalbox.router.process.steered import Steered
from signalbox.router.telemetry.process import Process, WorkerState
from signalbox.router.telemetry.snapshot import Snapshot
from signalbox.router.telemetry.totals import Totals
from signalbox.router.wire.errors import ConfigRejectedError
from signalbox.routing.config import content_hash

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

    from signalbox.router.telemetry.metrics import Families

BACKOFF_FIRST = 0.1
BACKOFF_MOST = 10.0
STEADY_SECONDS = 30.0
LATE_SECONDS = 10.0
WEDGED_SECONDS = 30.0
LAG_SECONDS = 5.0
SCRAPE_SECONDS = 1.0

_log = logging.getLogger("signalbox.router.process.supervisor")


class Supervisor:
    """Workers on one port, one configuration in force, and the admin port.

    ``port`` and ``admin_port`` are known after ``start``. What ``collectors`` give is among the metrics, too. Workers
    that are ``forked`` already are taken from that list before others are started.
    """

    def __init__(
        self, options: SupervisorOptions, collectors: Sequence["Collector"] = (), forked: list[Forked] | None = None
    ) -> None:
        self._options = options
        self._collectors = collectors
        self._forked = forked if forked is not None else []
        self._totals = Totals()
        self._steered = Steered(time.monotonic)
        self._leased = Leased(options.workers)
        self._children: dict[int, Child] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._lock = asyncio.Lock()
        self._arrival = asyncio.Event()
        self._generation = 0
        self._current: tuple[int, bytes, dict[str, bytes]] | None = None
        self._down_since: dict[int, float] = {}
        self._stopping = False
        self._restarts = 0
        self._applied = 0
        self._rejected = 0
        self._changed_at = 0.0
        self._question = 0
        self._reservation: PortReservation | None = None
        self._admin = AdminServer(healthy=self.healthy, ready=self.ready, metrics=self._families)
        self.port = 0
        self.admin_port = 0

    async def start(self, config: bytes, secrets: Mapping[str, bytes]) -> None:
        """Start the workers and serve.

        Raises ``ConfigRejectedError`` when the configuration cannot serve, ``OSError`` when a port is taken; nothing
        runs then.
        """
        try:
            self._reservation = PortReservation.take(self._options.host, self._options.port)
            self.port = self._reservation.port
            if self._options.admin_host is not None:
                self.admin_port = await self._start_admin(self._options.admin_host)
            async with self._lock:
                for index in range(self._options.workers):
                    await self._spawn(index)
                failures = await self._change(config, secrets)
            if failures:
                raise OSError(failures[0])
        except BaseException:
            await self._end_all()
            raise
        self._keepers = [asyncio.ensure_future(self._keep(child)) for child in tuple(self._children.values())]
        self._keepers.append(asyncio.ensure_future(self._watch()))

    async def apply(self, config: bytes, secrets: Mapping[str, bytes]) -> None:
        """Put a configuration in force on all workers, or on none.

        Raises ``ConfigRejectedError``; the one in force before stays. Open connections notice nothing either way.
        """
        async with self._lock:
            await self._change(config, secrets)

    def steer(self, weights: Weights, heard_ago: float = 0.0) -> None:
        """Let all workers send requests where the weights say, those too that start later.

        ``heard_ago`` seconds have gone by since they came. It may be called before ``start``.
        """
        self._steered.hear(weights, heard_ago)
        for child in self._children.values():
            child.steer(weights, heard_ago)

    @property
    def weights(self) -> dict[str, dict[str, RouteWeights]]:
        """The weights in force, by policy and route, as far as they fit into a report."""
        return self._steered.reported

    def lease(self, leases: Leases) -> None:
        """Apply parts of limits, each worker its own; they stay until others come. May be called before ``start``."""
        self._leased.hear(leases)
        for child in self._children.values():
            child.grant(self._leased.part(child.index))

    @property
    def leases(self) -> dict[str, Applied]:
        """What is applied of each backend's limits, leased or not."""
        return self._leased.applied((child.index, child.limits) for child in self._children.values())

    async def stop(self, grace: float = 0.0, drain_timeout: float | None = None) -> None:
        """Drain and end: readiness fails at once, after ``grace`` seconds workers take no more connections.

        ``drain_timeout`` (default: the option of that name) bounds the time for requests in flight, in seconds.
        Cancelling this ends the workers at once.
        """
        self._stopping = True
        timeout = self._options.drain_timeout if drain_timeout is None else drain_timeout
        try:
            await asyncio.sleep(grace)
            for child in tuple(self._children.values()):
                child.drain(timeout)
            ends = [asyncio.ensure_future(child.ended()) for child in self._children.values()]
            if ends:
                await asyncio.wait(ends, timeout=timeout + self._options.answer_timeout)
        finally:
            await self._end_all()

    def healthy(self) -> Health:
        """Whether supervisor and workers do their work: the answer to /healthz."""
        now = asyncio.get_running_loop().time()
        problems = [
            f"worker {index} has been down for {now - since:.0f} s"
            for index, since in sorted(self._down_since.items())
            if now - since >= LATE_SECONDS
        ]
        for child in self._children.values():
            silent = now - child.reported_at
            if silent >= LATE_SECONDS:
                problems.append(f"worker {child.index} has said nothing for {silent:.0f} s")
            elif child.lag >= LAG_SECONDS:
                problems.append(f"worker {child.index} was {child.lag:.1f} s late")
        return Health(tuple(problems))

    def ready(self) -> Health:
        """Whether new requests should be sent here: the answer to /readyz."""
        if self._stopping:
            return Health(("draining",))
        problems = [f"worker {worker.index} is {worker.state}" for worker in self.statuses if worker.state != "serving"]
        return Health(tuple(problems))

    @property
    def statuses(self) -> tuple[WorkerState, ...]:
        """Every worker: serving, starting (no configuration yet), draining or down."""
        return tuple(self._status(index) for index in range(self._options.workers))

    @property
    def config_hash(self) -> str:
        """Name of the configuration in force, "" before there is one."""
        return content_hash(self._current[1]) if self._current else ""

    @property
    def workers(self) -> int:
        """How many processes serve."""
        return self._options.workers

    def traffic(self, backends: Iterable[str]) -> dict[str, Traffic]:
        """What each of these got, as the workers reported it last."""
        return self._totals.traffic(backends)

    def sent(self) -> Ways:
        """What each target of a route had to answer, as the workers reported it last."""
        return self._totals.sent()

    async def snapshot(self) -> Snapshot:
        """The counters of all workers now; of one that does not answer within a second, those of its last report."""
        self._question += 1
        reports = [asyncio.ensure_future(child.report(self._question)) for child in self._children.values()]
        if reports:
            await asyncio.wait(reports, timeout=SCRAPE_SECONDS)
        for report in reports:
            if not report.cancel():
                report.exception()
        return self._totals.snapshot()

    async def _families(self) -> "Families":
        # Prometheus' client takes as long to import as all of this package: not before somebody asks for metrics.
        from signalbox.router.telemetry.metrics import Families  # noqa: PLC0415

        snapshot = await self.snapshot()
        process = Process(
            workers=self.statuses,
            restarts=self._restarts,
            config_hash=self.config_hash,
            configs_applied=self._applied,
            configs_rejected=self._rejected,
            changed_at=self._changed_at,
            steered=self._steered.in_force,
            certificate_ends=end_of(self._options.tls_directory),
        )
        return Families(snapshot, process, self._collectors)

    async def _start_admin(self, host: str) -> int:
        try:
            return await self._admin.start(host, self._options.admin_port)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise OSError(
                error.errno, f"cannot listen on {host}:{self._options.admin_port} (admin): {reason}"
            ) from None

    async def _change(self, config: bytes, secrets: Mapping[str, bytes]) -> list[str]:
        """Ask every worker first, then tell every worker; gives what went wrong in the telling.

        A worker that dies or does not answer has no say (its successor gets what was decided), unless it is the last.
        """
        self._generation += 1
        generation = self._generation
        children = await self._linked()
        votes = await asyncio.gather(
            *(child.prepare(generation, config, secrets) for child in children), return_exceptions=True
        )
        voters = [child for child, vote in zip(children, votes, strict=True) if not isinstance(vote, BaseException)]
        objections = [str(vote) for vote in votes if isinstance(vote, str)]
        if not voters:
            objections = [f"no worker could read it: {vote}" for vote in votes] or ["no worker is running"]
        if objections:
            for child in voters:
                child.abort(generation)
            self._rejected += 1
            raise ConfigRejectedError(objections[0])
        self._current = (generation, config, dict(secrets))
        self._steered.use(config)
        self._applied += 1
        self._changed_at = time.time()
        outcomes = await asyncio.gather(*(self._commit(child, generation) for child in voters))
        return [outcome for outcome in outcomes if outcome is not None]

    async def _commit(self, child: Child, generation: int) -> str | None:
        try:
            problem = await child.commit(generation)
        except ChildGoneError as gone:
            return str(gone)
        if problem is not None:
            _log.error("worker %d (%d): %s", child.index, child.pid, problem)
            child.kill()
            return problem
        self._down_since.pop(child.index, None)
        return None

    async def _linked(self) -> list[Child]:
        """The workers that run; where all are down, the first that comes back in time."""
        if not self._children and self._keepers:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._options.answer_timeout):
                    await self._arrival.wait()
        return list(self._children.values())

    async def _spawn(self, index: int) -> Child:
        options = self._options
        assert self._reservation is not None
        setup = Setup(
            hosts=self._reservation.hosts,
            port=self.port,
            proxy=options.proxy,
            access_log=options.access_log,
            drain_timeout=options.drain_timeout,
            tls_directory=options.tls_directory,
        )
        if self._forked:
            child = await Child.adopt(index, self._forked.pop(0), setup, options.answer_timeout, self._reported)
        else:
            child = await Child.start(index, options.command, setup, options.answer_timeout, self._reported)
        if (weights := self._steered.weights) is not None:
            child.steer(weights, self._steered.heard_ago)
        child.grant(self._leased.part(index))
        child.inherit(self._leased.spent(index))
        self._children[index] = child
        self._arrival.set()
        return child

    async def _keep(self, child: Child) -> None:
        """Replace a worker that ends unasked, sooner the first time than when it keeps on dying."""
        loop = asyncio.get_running_loop()
        delay = BACKOFF_FIRST
        while True:
            began = loop.time()
            ending = await child.ended()
            self._children.pop(child.index, None)
            self._arrival.clear()
            self._totals.retire(child.serial)
            self._leased.ended(child.index, child.limits, child.reported_at)
            self._down_since.setdefault(child.index, loop.time())
            if self._stopping:
                return
            if loop.time() - began >= STEADY_SECONDS:
                delay = BACKOFF_FIRST
            _log.warning("worker %d (%d) ended: %s; next in %g s", child.index, child.pid, ending, delay)
            await asyncio.sleep(delay)
            delay = min(2 * delay, BACKOFF_MOST)
            self._restarts += 1
            child = await self._replace(child.index)

    async def _replace(self, index: int) -> Child:
        while True:
            try:
                child = await self._spawn(index)
                break
            except OSError as error:
                _log.error("cannot start worker %d: %s", index, error.strerror or error)
                await asyncio.sleep(BACKOFF_MOST)
        async with self._lock:
            if self._current is not None and child.generation != self._current[0]:
                generation, config, secrets = self._current
                try:
                    problem = await child.prepare(generation, config, secrets)
                except ChildGoneError as gone:
                    problem = str(gone)
                if problem is None:
                    await self._commit(child, generation)
                else:
                    _log.error("worker %d (%d) cannot serve the configuration in force: %s", index, child.pid, problem)
                    child.kill()
        return child

    async def _watch(self) -> None:
        """Kill a worker whose loop has stood still for long: the kernel goes on giving it connections."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + 1
            await asyncio.sleep(1)
            if loop.time() - due > 1:
                continue  # it is this loop that was late: their reports wait to be read
            for child in self._children.values():
                if loop.time() - child.reported_at > WEDGED_SECONDS:
                    _log.error("worker %d (%d) has stood still for %g s", child.index, child.pid, WEDGED_SECONDS)
                    child.kill()

    def _reported(self, child: Child, report: Report) -> None:
        self._totals.update(child.serial, report.snapshot)

    def _status(self, index: int) -> WorkerState:
        child = self._children.get(index)
        if child is None:
            return WorkerState(index, "down")
        state = "draining" if child.draining else "serving" if child.generation else "starting"
        return WorkerState(index, state, child.memory, child.lag)

    async def _end_all(self) -> None:
        self._stopping = True
        for keeper in self._keepers:
            keeper.cancel()
        children = tuple(self._children.values())
        for child in children:
            child.kill()
        for child in children:
            await child.ended()
            self._totals.retire(child.serial)
        self._children.clear()
        self._admin.stop()
        if self._reservation is not None:
            self._reservation.release()
