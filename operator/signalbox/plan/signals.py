"""A backend as the feedback loop sees it: what its endpoints are, what they can do, and where they show their load."""

from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec

from signalbox.api import ModelBackend
from signalbox.api.signals import CustomSeries
from signalbox.feedback.plan import Backend, Scrape, Selectors
from signalbox.plan.observed import Service
from signalbox.plan.problems import Problem
from signalbox.routing import config

PORT_NOT_FOUND = "SignalsPortNotFound"


class Signals(msgspec.Struct, frozen=True):
    """What the law knows of a backend (None: it isn't there), and where its endpoints are asked."""

    backend: Backend | None = None
    scrapes: tuple[Scrape, ...] = ()

    @property
    def declared(self) -> bool:
        """Whether engines are to be asked."""
        return self.backend is not None and self.backend.measured


def key_of(address: config.Address) -> str:
    """What routers and the loop call an endpoint: where requests go."""
    return f"{address.host}:{address.port}"


def compile_signals(
    backend: ModelBackend, compiled: config.Backend, service: Service | None, report: Callable[[Problem], None]
) -> Signals:
    """``compiled`` has the endpoints that the rules allow, and none where something is missing."""
    endpoints = _endpoints(backend, compiled, service)
    return Signals(_backend(backend, compiled, endpoints), _scrapes(backend, compiled, endpoints, service, report))


def _endpoints(backend: ModelBackend, compiled: config.Backend, service: Service | None) -> tuple[config.Address, ...]:
    """A URL is one endpoint, whatever its name leads to; so is an address that stands for a Service. The name of a
    Service in a cluster is none: its pods are known."""
    if compiled.endpoints or compiled.dns is None:
        return compiled.endpoints
    stands_in = service is not None and service.metrics == (compiled.dns,)
    return (compiled.dns,) if backend.spec.url is not None or stands_in else ()


def _backend(backend: ModelBackend, compiled: config.Backend, endpoints: tuple[config.Address, ...]) -> Backend:
    spec = backend.spec
    capacity = spec.capacity
    concurrency = capacity.concurrency if capacity else None
    tokens = capacity.tokens_per_second if capacity else None
    return Backend(
        name=compiled.name,
        model=spec.model,
        engine=spec.signals.engine if spec.signals else "None",
        endpoints=tuple(key_of(address) for address in endpoints),
        concurrency=None if concurrency is None else float(concurrency),
        tokens_per_second=None if tokens is None else float(tokens),
        slow_start=compiled.slow_start_ms / 1000,
        max_in_flight=compiled.limits.max_in_flight,
        tokens_per_minute=compiled.limits.tokens_per_minute,
    )


def _scrapes(
    backend: ModelBackend,
    compiled: config.Backend,
    endpoints: tuple[config.Address, ...],
    service: Service | None,
    report: Callable[[Problem], None],
) -> tuple[Scrape, ...]:
    signals = backend.spec.signals
    if signals is None or signals.engine == "None":
        return ()
    ports = _Ports(signals.port, service)
    if ports.missing:
        report(_no_port(backend, str(signals.port)))
        return ()
    # The name of the Service or URL, for whatever stands before the engine.
    tls, named = compiled.tls, urlsplit(f"//{compiled.authority}").hostname or ""
    found = []
    for address in endpoints:
        port = ports.of(address)
        if port is None:
            continue
        shown = "" if port == (443 if tls else 80) else f":{port}"
        found.append(
            Scrape(
                backend=compiled.name,
                key=key_of(address),
                url=f"{'https' if tls else 'http'}://{_host(address.host)}:{port}{signals.path}",
                engine=signals.engine,
                model=backend.spec.model,
                selectors=_selectors(signals.custom) if signals.custom else None,
                authority=_host(named) + shown,
                server_name=tls.server_name if tls else None,
                ca=tls.ca if tls else None,
            )
        )
    return tuple(found)


def _host(host: str) -> str:
    """As it stands in a URL."""
    return f"[{host}]" if ":" in host else host


class _Ports:
    """Where a pod shows its load: at a port of its own by number, at one that the Service names, or where requests
    go."""

    def __init__(self, port: int | str | None, service: Service | None) -> None:
        self._number = port if isinstance(port, int) else None
        named = service.metrics if isinstance(port, str) and service is not None else None
        self._named = None if named is None else frozenset(named)
        self._by_host = {address.host: address.port for address in named or ()}
        # A Service that isn't there is a problem of its own.
        self.missing = isinstance(port, str) and service is not None and service.port and self._named is None

    def of(self, address: config.Address) -> int | None:
        """None where a pod does not have the port that its Service names."""
        if self._number is not None:
            return self._number
        if self._named is None or address in self._named:
            return address.port
        return self._by_host.get(address.host)


def _selectors(custom: CustomSeries) -> Selectors:
    return Selectors(
        running=custom.running,
        waiting=custom.waiting,
        kv_cache_usage=custom.kv_cache_usage,
        generated_tokens=custom.generated_tokens,
    )


def _no_port(backend: ModelBackend, port: str) -> Problem:
    reference = backend.spec.service_ref
    service = reference.name if reference is not None else ""
    return Problem(
        kind="ModelBackend",
        name=backend.metadata.name,
        reason=PORT_NOT_FOUND,
        path="spec.signals.port",
        message=f"Service {service} has no port {port}: its engines are not asked for their load",
        fix="add the port to the Service, or write the number of the port of the pods",
        severity="warning",  # requests go on
        condition="ResolvedRefs",
    )
