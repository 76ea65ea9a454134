"""ModelBackend in, the router's Backend out."""

from decimal import Decimal

import msgspec

from signalbox.api import ModelBackend
from signalbox.plan.addresses import allowed, check_url
from signalbox.plan.children.mounted import by_name, size_of
from signalbox.plan.credentials import Credentials, Entry, Report
from signalbox.plan.observed import Observed
from signalbox.plan.places import NOWHERE, Place, of_url
from signalbox.plan.problems import Problem, Subject
from signalbox.plan.signals import Signals, compile_signals
from signalbox.routing import config

KIND = "ModelBackend"
# What that API can say, whatever the model can do.
_OF_ANTHROPIC: list[config.Feature] = ["Tools", "Vision", "JSONSchema"]
_PICOS_PER_TOKEN = Decimal(1_000_000)  # 10¹² in one unit, over the million tokens that a price is for


class PlannedBackend(msgspec.Struct, frozen=True):
    """A compiled backend, whether all that it refers to is there, and the secret entries that it names; its ``size`` is
    its share of a configuration in bytes, without addresses where it has a name. ``signals`` are for who looks at it.
    """

    config: config.Backend
    resolved: bool
    entries: dict[str, Entry]
    size: int
    signals: Signals = Signals()

    @property
    def standing(self) -> "Standing":
        """What policies must know of it."""
        gauged = self.signals.declared or self.config.limits.max_in_flight is not None
        backend = self.config
        return Standing(self.resolved, gauged, backend.profile, backend.pricing is not None, backend.features)

    @property
    def limited(self) -> bool:
        """Whether it matters how many send requests there."""
        return self.config.limits != config.Limits()


class Standing(msgspec.Struct, frozen=True):
    """Whether all is there that a backend refers to, whether anybody can tell how busy it is, and what it says of
    itself."""

    resolved: bool
    gauged: bool
    profile: config.Profile
    priced: bool
    features: tuple[config.Feature, ...] | None


def absent(name: str) -> PlannedBackend:
    """Stands for a backend that isn't there: no endpoint, never usable, yet conditions can ask for its health."""
    compiled = config.Backend(name=name, model="", authority="")
    return PlannedBackend(compiled, False, {}, size_of(compiled))


def compile_backend(backend: ModelBackend, observed: Observed, report: Report) -> PlannedBackend:
    """Compile one backend. One that lacks a credential or its Service keeps its place, without any address."""
    spec, name = backend.spec, backend.metadata.name
    problems: list[Problem] = []
    # Its entries have the same names, and the same meaning, in every router.
    kept = frozenset[str]().union(*observed.kept.values())
    credentials = Credentials(KIND, name, observed, problems.append, kept, report)
    place = (
        _url(backend, observed, problems.append)
        if spec.url is not None
        else _service(backend, observed, problems.append)
    )
    tls = _tls(backend, place, credentials)
    api_key = _api_key(backend, credentials)
    for problem in problems:
        report(problem)
    resolved = not any(problem.severity == "error" for problem in problems)
    profile = spec.profile
    features = profile.features if profile else None
    if features is None and spec.format == "Anthropic":
        features = _OF_ANTHROPIC
    compiled = config.Backend(
        name=name,
        model=spec.model,
        authority=place.authority,
        base_path=place.base_path,
        endpoints=place.endpoints if resolved else (),
        dns=place.dns if resolved else None,
        tls=tls if resolved else None,
        request=_request(backend),
        api_key=api_key,
        context_window=profile.context_window if profile else None,
        features=tuple(sorted(features)) if features is not None else None,
        pricing=_pricing(backend),
        limits=_limits(backend),
        health=_health(backend),
        timeouts=_timeouts(backend),
        format=spec.format,
        profile=_profile(backend),
    )
    capacity = spec.capacity
    if capacity is not None and capacity.concurrency is not None:
        compiled = msgspec.structs.replace(compiled, concurrency=capacity.concurrency)
    if capacity is not None and (slow_start := capacity.slow_start.milliseconds) != compiled.slow_start_ms:
        compiled = msgspec.structs.replace(compiled, slow_start_ms=slow_start)
    return PlannedBackend(
        compiled,
        resolved,
        credentials.entries if resolved else {},
        size_of(by_name(compiled)),
        compile_signals(backend, compiled, observed.services.get(name), report),
    )


def _url(backend: ModelBackend, observed: Observed, report: Report) -> Place:
    assert backend.spec.url is not None
    try:
        place = of_url(backend.spec.url)
    except ValueError:
        fix = "write a name, or an IP address (IPv6 in brackets)"
        report(_problem(backend, "InvalidURL", "spec.url", "has no valid host", fix, condition="Accepted"))
        return NOWHERE
    if (refused := check_url(KIND, backend.metadata.name, "spec.url", place.host, observed)) is not None:
        report(refused)
    return place


def _service(backend: ModelBackend, observed: Observed, report: Report) -> Place:
    reference, name = backend.spec.service_ref, backend.metadata.name
    assert reference is not None
    host = f"{reference.name}.{backend.metadata.namespace or 'default'}.svc"
    service = observed.services.get(name)
    if service is None:
        message = f"Service {reference.name} does not exist"
        report(_problem(backend, "ServiceNotFound", "spec.serviceRef.name", message, "create it, or write its name"))
    elif not service.port:
        message = f"Service {reference.name} has no port {reference.port}"
        report(_problem(backend, "PortNotFound", "spec.serviceRef.port", message, "write a number or name of a port"))
    elif not service.endpoints and service.dns is None:
        message = f"Service {reference.name} has no ready endpoint"
        problem = _problem(backend, "NoReadyEndpoint", "spec.serviceRef", message)
        report(msgspec.structs.replace(problem, severity="warning"))
    endpoints, refused = allowed(backend, service.endpoints if service else (), observed.addresses)
    if refused is not None:
        report(refused)
    port = service.dns.port if service and service.dns else reference.port
    tls = backend.spec.tls is not None
    shown = "" if port == (443 if tls else 80) or isinstance(port, str) else f":{port}"
    return Place(
        authority=host + shown,
        base_path=backend.spec.base_path_in_force,
        host=host,
        tls=tls,
        endpoints=tuple(sorted(endpoints, key=lambda a: (a.host, a.port))),
        dns=service.dns if service else None,
    )


def _tls(backend: ModelBackend, place: Place, credentials: Credentials) -> config.Tls | None:
    if not place.tls:
        return None
    name, spec = backend.metadata.name, backend.spec.tls
    authorities = certificate = key = None
    if spec and (ca := spec.ca_config_map_ref):
        source = Entry(kind="ConfigMap", name=ca.name, key=ca.key)
        authorities = credentials.value(f"backend.{name}.ca", source, "spec.tls.caConfigMapRef")
    if spec and (pair := spec.client_certificate_ref):
        path = "spec.tls.clientCertificateRef"
        source = Entry(kind="Secret", name=pair.name, key="tls.crt")
        certificate = credentials.value(f"backend.{name}.certificate", source, path)
        source = Entry(kind="Secret", name=pair.name, key="tls.key")
        key = credentials.value(f"backend.{name}.key", source, path) if certificate else None
    server_name = spec.server_name if spec and spec.server_name else place.host
    return config.Tls(server_name=server_name, ca=authorities, certificate=certificate, key=key)


def _api_key(backend: ModelBackend, credentials: Credentials) -> config.ApiKey | None:
    if backend.spec.auth is None:
        return None
    key = backend.spec.auth.api_key
    source = Entry(kind="Secret", name=key.secret_ref.name, key=key.secret_ref.key)
    entry = credentials.value(f"backend.{backend.metadata.name}.apiKey", source, "spec.auth.apiKey.secretRef")
    header, prefix = key.in_force(backend.spec.format)
    return config.ApiKey(entry=entry, header=header, prefix=prefix) if entry else None


def _request(backend: ModelBackend) -> config.RequestMapping:
    request = backend.spec.request
    if request is None:
        return config.RequestMapping()
    return config.RequestMapping(
        headers=tuple(config.Header(name=h.name, value=h.value) for h in request.headers or ()),
        query=tuple(config.Header(name=q.name, value=q.value) for q in request.query or ()),
        rename=dict(sorted((request.rename or {}).items())),
        remove=tuple(sorted(request.remove or ())),
    )


def _profile(backend: ModelBackend) -> config.Profile:
    profile = backend.spec.profile
    if profile is None:
        return config.NO_PROFILE
    said = config.Profile(
        quality=profile.quality,
        skills=dict(sorted((profile.skills or {}).items())),
        latency_ms=profile.latency.milliseconds if profile.latency else None,
    )
    return said if said != config.NO_PROFILE else config.NO_PROFILE


def _pricing(backend: ModelBackend) -> config.Pricing | None:
    pricing = backend.spec.pricing
    if pricing is None:
        return None
    cached = pricing.cached_input_per_million
    return config.Pricing(
        input=int(pricing.input_per_million.decimal * _PICOS_PER_TOKEN),
        output=int(pricing.output_per_million.decimal * _PICOS_PER_TOKEN),
        cached_input=int(cached.decimal * _PICOS_PER_TOKEN) if cached is not None else None,
    )


def _limits(backend: ModelBackend) -> config.Limits:
    limits = backend.spec.limits
    if limits is None:
        return config.Limits()
    return config.Limits(
        max_in_flight=limits.max_in_flight,
        requests_per_minute=limits.requests_per_minute,
        tokens_per_minute=limits.tokens_per_minute,
    )


def _health(backend: ModelBackend) -> config.HealthCheck | None:
    health = backend.spec.health
    if health is None:
        return None
    return config.HealthCheck(
        path=health.http.path,
        interval_ms=health.interval.milliseconds,
        unhealthy_threshold=health.unhealthy_threshold,
        healthy_threshold=health.healthy_threshold,
    )


def _timeouts(backend: ModelBackend) -> config.Timeouts:
    timeouts = backend.spec.timeouts
    return config.Timeouts(
        connect_ms=timeouts.connect.milliseconds,
        first_token_ms=timeouts.first_token.milliseconds,
        idle_ms=timeouts.idle.milliseconds,
        request_ms=timeouts.request.milliseconds,
    )


def _problem(
    backend: ModelBackend, reason: str, path: str, message: str, fix: str = "", condition: Subject = "ResolvedRefs"
) -> Problem:
    return Problem(
        kind=KIND,
        name=backend.metadata.name,
        reason=reason,
        path=path,
        message=message,
        fix=fix,
        condition=condition,
    )
