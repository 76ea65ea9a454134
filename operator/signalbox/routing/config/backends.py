"""The models that can be called, and how."""

from typing import Literal

import msgspec

from signalbox.routing.config.base import ConfigStruct

Feature = Literal["Tools", "LogProbs", "Vision", "JSONSchema", "Embeddings"]


class Address(ConfigStruct, frozen=True):
    """A host (IP address or DNS name) and a port."""

    host: str
    port: int


class Header(ConfigStruct, frozen=True):
    """A name and a value that the upstream request carries: a header, or a query parameter."""

    name: str
    value: str


class ApiKey(ConfigStruct, frozen=True):
    """A credential in a request header; ``entry`` names the secret."""

    entry: str
    header: str = "Authorization"
    prefix: str = "Bearer "


class Tls(ConfigStruct, frozen=True):
    """TLS towards a backend. Entries name PEM texts; absent ``ca`` means the system's authorities."""

    server_name: str
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None


class RequestMapping(ConfigStruct, frozen=True):
    """What a backend wants changed in a request: fields renamed, then removed; headers and query added."""

    headers: tuple[Header, ...] = ()
    query: tuple[Header, ...] = ()
    rename: dict[str, str] = msgspec.field(default_factory=dict)
    remove: tuple[str, ...] = ()


class Pricing(ConfigStruct, frozen=True):
    """Price of a token in 10⁻¹² of the currency unit: "0.05" per million tokens is 50,000."""

    input: int = 0
    output: int = 0
    cached_input: int | None = None


class Limits(ConfigStruct, frozen=True):
    """Limits of the backend as a whole. A worker applies what it was leased, before that its part
    (``RouterConfig.limit_shares``)."""

    max_in_flight: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


class HealthCheck(ConfigStruct, frozen=True):
    """Active checks: GET ``path``, 2xx is healthy."""

    path: str
    interval_ms: int = 10_000
    unhealthy_threshold: int = 3
    healthy_threshold: int = 1


class Timeouts(ConfigStruct, frozen=True):
    """Milliseconds. ``first_token`` and ``idle`` hold for streams only; ``request`` is the whole of an attempt."""

    connect_ms: int = 2_000
    first_token_ms: int = 60_000
    idle_ms: int = 60_000
    request_ms: int = 600_000


class Profile(ConfigStruct, frozen=True):
    """What is said of a model: qualities in percent, milliseconds to the first token."""

    quality: int | None = None
    skills: dict[str, int] = msgspec.field(default_factory=dict)
    latency_ms: int | None = None


NO_PROFILE = Profile()
"""Where nothing is said: this very object, then it is not written either."""


class Backend(ConfigStruct, frozen=True):
    """One ModelBackend, compiled.

    ``endpoints`` are the ready addresses observed of a Service (IP addresses). ``dns`` is what a URL names, or the
    Service's own DNS name, to be resolved by the router. ``authority`` is the Host header (and URL for proxies).
    ``features`` absent means undeclared: nothing is filtered by it. ``concurrency`` is what an endpoint runs at once.
    """

    name: str
    model: str
    authority: str
    base_path: str = ""
    endpoints: tuple[Address, ...] = ()
    dns: Address | None = None
    tls: Tls | None = None
    request: RequestMapping = RequestMapping()
    api_key: ApiKey | None = None
    context_window: int | None = None
    features: tuple[Feature, ...] | None = None
    pricing: Pricing | None = None
    limits: Limits = Limits()
    health: HealthCheck | None = None
    timeouts: Timeouts = Timeouts()
    slow_start_ms: int = 30_000
    concurrency: int | None = None
    format: Literal["OpenAI", "Anthropic"] = "OpenAI"
    profile: Profile = NO_PROFILE
