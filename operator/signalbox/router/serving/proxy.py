"""The proxy of one worker: configurations in, connections served, and one sweep over what is under way."""

import asyncio
import logging
import os
import random
import resource
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

import msgspec

from signalbox.control.messages import Weights
from signalbox.router.options import ProxyOptions
from signalbox.router.serving import live as live_state
from signalbox.router.serving.appointments import Appointments
from signalbox.router.serving.attempt import Attempt
from signalbox.router.serving.client import ClientConnection
from signalbox.router.serving.full import ANSWERS, CODE, FullConnection, most_connections
from signalbox.router.serving.keys import KeyTable
from signalbox.router.serving.response_ids import KEY_ENTRY, ResponseIds
from signalbox.router.serving.steering import Steering
from signalbox.router.serving.turns import Turns
from signalbox.router.telemetry.accesslog import AccessLog
from signalbox.router.telemetry.snapshot import EndpointGauge
from signalbox.router.telemetry.statistics import Statistics
from signalbox.router.upstream.backend import BackendState, Prepared
from signalbox.router.upstream.dial import Dialer, Proxies
from signalbox.router.upstream.endpoint import IDLE_SECONDS, Endpoint
from signalbox.router.upstream.health_checks import Check, HealthChecks
from signalbox.router.upstream.resolver import ResolutionFailed, Resolver
from signalbox.router.upstream.tls import TlsContexts
from signalbox.router.wire.errors import ConfigRejectedError
from signalbox.router.wire.outbox import Outbox
from signalbox.router.wire.room import Room
from signalbox.routing.address_rules import AddressRefused, AddressRules, parse_networks
from signalbox.routing.config import Address, Limits, RouterConfig, decode
from signalbox.routing.ejection import Cause
from signalbox.routing.limits import Allowance
from signalbox.routing.retries import RetryBudget

SWEEP_SECONDS = 0.25
RESOLVE_SECONDS = 5.0
LEAST_IDLE = 16
NO_LIMITS = Limits()

_log = logging.getLogger(__name__)


class Proxy:
    """See the module; ``worker.Application`` is its interface to the process."""

    def __init__(self, options: ProxyOptions, statistics: Statistics, log: AccessLog) -> None:
        self.options = options
        self.statistics = statistics
        self.live: live_state.Live | None = None
        self.draining = False
        self.room = Room(options.max_bodies_bytes)
        self.log = log
        self._random = random.Random(os.urandom(16))  # noqa: S311 - draws, not secrets
        rules = AddressRules(parse_networks(options.allow_cidrs), parse_networks(options.deny_cidrs))
        self._resolver = Resolver(rules, options.deny_hosts)
        self.outbox = Outbox()
        self._appointments = Appointments()
        self.turns = Turns()
        statistics.waiting = lambda: len(self.turns)
        self._dialer = Dialer(rules, Proxies(), self._resolver, self.outbox)
        self._checks = HealthChecks(self._dialer, self._checked, self._random)
        self._contexts = TlsContexts()
        self._steering = Steering()
        self._budget = RetryBudget()
        self._attempts: set[Attempt] = set()
        self._backends: dict[str, BackendState] = {}
        self._services: dict[str, BackendState] = {}
        self._leases: dict[str, Limits] = {}
        self._inherited: Sequence[tuple[float, Mapping[str, Limits]]] = ()
        self._awaits_leases = options.lease_patience > 0.0
        self._patient_until = time.monotonic() + options.lease_patience
        self._connections: set[ClientConnection] = set()
        self._most_connections = most_connections(
            options.max_connections, resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        )
        self.lingering: set[FullConnection] = set()
        self._empty = asyncio.Event()
        self._own_response_key = os.urandom(32)
        self._tasks: list[asyncio.Task[None]] = []

    # configuration

    def prepare(self, config: bytes, secrets: Mapping[str, bytes]) -> Callable[[], None]:
        """Build everything that can fail; the function that is returned puts it in force and cannot fail.

        Raises ``ConfigRejectedError``.
        """
        try:
            parsed = decode(config)
            keys = KeyTable.build(parsed.policies, secrets)
            before = self.live.policies if self.live is not None else {}
            compiled = live_state.compile_policies(parsed.policies, before, self._random)
            sources = live_state.sources(parsed.policies, before)
            prepared = {b.name: Prepared(b, secrets, self._contexts) for b in parsed.backends}
            services = {b.name: Prepared(b, secrets, self._contexts) for b in parsed.services}
        except (msgspec.ValidationError, msgspec.DecodeError, ValueError, KeyError) as error:
            raise ConfigRejectedError(str(error)) from error
        for policy in parsed.policies:
            for target in policy.targets:
                if target.backend not in prepared:
                    raise ConfigRejectedError(
                        f"policy {policy.name}: target {target.name} has no backend {target.backend}"
                    )
        response_ids = ResponseIds(secrets.get(KEY_ENTRY, self._own_response_key))

        def commit() -> None:
            self._adopt(parsed, prepared)
            self._adopt_services(services)
            policies = {
                name: live_state.LivePolicy(policy, self._backends, self.statistics, sources[name])
                for name, policy in compiled.items()
            }
            self.live = live_state.Live(
                policies,
                self._backends,
                keys,
                response_ids,
                self._budget,
                self._attempts,
                self.statistics,
                self.log,
                self._services,
            )
            self._steering.use(policies, self._backends, time.monotonic())
            self._share_idle()
            if not self._tasks:
                self._tasks = [asyncio.ensure_future(self._sweep()), asyncio.ensure_future(self._resolve_regularly())]
            else:
                self._tasks.append(asyncio.ensure_future(self._resolve()))
                self._tasks = [task for task in self._tasks if not task.done()]

        return commit

    def steer(self, weights: Weights, heard_ago: float) -> None:
        """See ``worker.Application``."""
        now = time.monotonic()
        self._steering.hear(weights, now - heard_ago, self._backends, now)

    def lease(self, parts: Mapping[str, Limits]) -> None:
        """See ``worker.Application``. Of backends that are not there yet, too: their configuration may be under way."""
        self._leases.update(parts)
        for name, part in parts.items():
            if name in self._backends:
                self._backends[name].limits.lease(part)

    def inherit(self, spent: Sequence[tuple[float, Mapping[str, Limits]]]) -> None:
        """See ``worker.Application``."""
        self._inherited = spent

    def limits(self) -> dict[str, Allowance]:
        """See ``worker.Application``."""
        now = time.monotonic()
        return {
            name: backend.limits.allowance(now)
            for name, backend in self._backends.items()
            if backend.config.limits != NO_LIMITS
        }

    def _adopt(self, config: RouterConfig, prepared: Mapping[str, Prepared]) -> None:
        backends = {}
        for name, each in prepared.items():
            state = self._backends.get(name)
            if state is None:
                state = BackendState(each, config.limit_shares, self._dialer, self._ejection, self._random)
            else:
                state.update(each, config.limit_shares)
            if (part := self._leases.get(name)) is not None:
                state.limits.lease(part)
            elif self._awaits_leases:
                state.limits.await_lease()
            for at, spent in self._inherited:
                state.limits.inherit(at, spent.get(name, NO_LIMITS))
            backends[name] = state
        for name in self._backends.keys() - backends.keys():
            self._backends[name].retire()
        self._backends = backends
        self._inherited = ()

    def _adopt_services(self, prepared: Mapping[str, Prepared]) -> None:
        services = {}
        for name, each in prepared.items():
            state = self._services.get(name)
            if state is None:
                state = BackendState(each, 1, self._dialer, self._ejection, self._random)
            else:
                state.update(each, 1)
            services[name] = state
        for name in self._services.keys() - services.keys():
            self._services[name].retire()
        self._services = services

    def _ejection(self, backend: str, endpoint: str, ejected: bool, cause: Cause) -> None:
        if ejected:
            self.statistics.ejection(backend, cause.name.lower())

    def _checked(self, backend: str, address: Address, healthy: bool) -> None:
        state = self._backends.get(backend)
        for endpoint in state.endpoints if state is not None else ():
            if endpoint.address == address:
                endpoint.health.checked(healthy, time.monotonic())

    # addresses

    async def _resolve_regularly(self) -> None:
        while True:
            try:
                await self._resolve()
            except Exception:
                _log.exception("cannot resolve names")
            await asyncio.sleep(RESOLVE_SECONDS * self._random.uniform(0.8, 1.2))

    async def _resolve(self) -> None:
        known = (*self._backends.values(), *self._services.values())
        waiting = [b for b in known if b.config.dns is not None and _needs_dns(b)]
        await asyncio.gather(*(self._resolve_one(backend) for backend in waiting))

    async def _resolve_one(self, backend: BackendState) -> None:
        dns = backend.config.dns
        assert dns is not None
        if backend.config.tls is not None and self._dialer.proxies.proxy_for(dns.host) is not None:
            backend.use((dns,))  # the proxy resolves
            return
        try:
            addresses = await self._resolver.resolve(dns.host, dns.port)
        except (AddressRefused, ResolutionFailed) as error:
            backend.resolution_error = str(error)
            return
        backend.resolution_error = ""
        if backend.config.dns == dns:
            static: tuple[Address, ...] = backend.config.endpoints
            backend.use(tuple(dict.fromkeys((*static, *addresses))))

    # connections

    def protocol(self) -> asyncio.Protocol:
        """Serve one client connection, or say that there are too many."""
        if len(self._connections) >= self._most_connections:
            return FullConnection(self)
        return cast("asyncio.Protocol", ClientConnection(self))  # by its methods

    def full(self, pending: int) -> bool:
        """See ``worker.Application``."""
        return len(self._connections) + pending >= self._most_connections

    def turn_away(self) -> bytes:
        """See ``worker.Application``."""
        self.statistics.rejected("", CODE)
        return ANSWERS[self._appointments.seconds(time.monotonic())]

    def opened(self, connection: ClientConnection) -> None:
        """A client has connected."""
        self._connections.add(connection)
        self.statistics.connections += 1
        self.statistics.connections_total += 1

    def closed(self, connection: ClientConnection) -> None:
        """A client has left."""
        self._connections.discard(connection)
        self.statistics.connections -= 1
        if self.draining and not self._connections:
            self._empty.set()

    def drain(self) -> None:
        """From here on connections close after their request; idle ones close now."""
        self.draining = True
        self.outbox.flush()  # an answer may have been given in this turn
        for connection in list(self._connections):
            if connection.idle:
                connection.transport.close()
        if not self._connections:
            self._empty.set()

    async def drained(self) -> None:
        """Return when the last request has ended."""
        await self._empty.wait()
        self._checks.stop()
        for task in self._tasks:
            task.cancel()

    def gauges(self) -> Iterable[EndpointGauge]:
        """The state of every endpoint."""
        now = time.monotonic()
        for backend in self._backends.values():
            for endpoint in backend.endpoints:
                health = endpoint.health
                yield EndpointGauge(
                    backend.config.name, endpoint.label, endpoint.in_flight, health.admits(now), health.out_for
                )

    # time

    async def _sweep(self) -> None:
        ticks = 0
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            await asyncio.sleep(0)  # after a standstill: what has arrived is read first
            now = time.monotonic()
            ticks += 1
            try:
                self._check_attempts(now)
                if ticks % 4 == 0:
                    self._check_connections(now)
            except Exception:
                _log.exception("cannot apply time-outs")  # but the next sweep must come

    def sweep(self, now: float) -> None:
        """Apply every time-out as of ``now`` (monotonic seconds)."""
        self._check_attempts(now)
        self._check_connections(now)

    def _check_attempts(self, now: float) -> None:
        for attempt in list(self._attempts):
            if not attempt.cancelled:
                try:
                    attempt.check(now)
                except Exception:
                    attempt.crashed()

    def _check_connections(self, now: float) -> None:
        if self._awaits_leases and now >= self._patient_until:
            self._awaits_leases = False
            for name in self._backends.keys() - self._leases.keys():
                self._backends[name].limits.lease(None)
        self._steering.expire(now)
        self._checks.update(check for backend in self._backends.values() for check in _checks(backend))
        for connection in list(self._connections):
            connection.check(now)
        self.room.scarce = False
        for endpoint in self._share_idle():
            endpoint.close_idle(now - IDLE_SECONDS)

    def _share_idle(self) -> list[Endpoint]:
        """All endpoints, each of which may keep its part of as many idle connections as clients may have.

        With a small bound, a worker that has much to do would have the more: to open connections, and to close them.
        """
        known = (*self._backends.values(), *self._services.values())
        endpoints = [endpoint for backend in known for endpoint in backend.endpoints]
        self._dialer.most_idle = max(LEAST_IDLE, self._most_connections // max(1, len(endpoints)))
        return endpoints


def _needs_dns(backend: BackendState) -> bool:
    """A URL is always resolved; a Service's name only when none of its known endpoints takes requests."""
    return not backend.config.endpoints or not backend.usable(time.monotonic())


def _checks(backend: BackendState) -> Iterable[Check]:
    """The active checks of a backend's endpoints."""
    health = backend.config.health
    if health is None:
        return
    for endpoint in backend.endpoints:
        yield Check(
            backend=backend.config.name,
            address=endpoint.address,
            path=health.path,
            authority=backend.config.authority,
            interval=health.interval_ms / 1000,
            context=endpoint.context,
            server_name=endpoint.server_name,
        )
