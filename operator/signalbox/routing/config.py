"""The router configuration: what ``plan`` writes and the router reads.

One configuration serves one or several policies, dispatched by model. It is data only: conditions travel as checked
trees, secrets as names of entries that the router is given beside it. Unknown fields are ignored, so that a router
may be older than the planner; a change that an older router would misread raises ``FORMAT_VERSION``.
"""

import hashlib
from typing import Literal

import msgspec

from signalbox.routing.expressions.tree import Condition

FORMAT_VERSION = 1

Feature = Literal["Tools", "LogProbs", "Vision", "JSONSchema", "Embeddings"]


class ConfigStruct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Common options: immutable, camelCase on the wire, defaults left out."""


class Tenant(ConfigStruct, frozen=True):
    """Who may call, proven by a key. ``keys`` names the entries that hold SHA-256 digests, one hex line a key."""

    name: str
    tier: str = ""
    keys: tuple[str, ...] = ()


class Access(ConfigStruct, frozen=True):
    """Who may use a policy: its tenants, or everybody. ``tiers`` go from the most important to the least; whoever is in
    none of them comes last."""

    anonymous: bool = False
    tenants: tuple[Tenant, ...] = ()
    tiers: tuple[str, ...] = ()


class Target(ConfigStruct, frozen=True):
    """A backend's name inside a policy."""

    name: str
    backend: str


class Share(ConfigStruct, frozen=True):
    """A target and its declared weight; the planner writes 1 for each where none of a set declares one."""

    target: str
    weight: int = 1


class Weighted(ConfigStruct, tag="weighted", frozen=True):
    """Draw a target by share. ``free``: no share is declared, so requests go by capacity and load."""

    targets: tuple[Share, ...]
    free: bool = False


class Tier(ConfigStruct, frozen=True):
    """One step of a failover: drawn by share, left only when none of it is usable. ``free`` as above."""

    targets: tuple[Share, ...]
    free: bool = False


class Spill(ConfigStruct, frozen=True):
    """The part of the requests that leaves the first tier rises from none to all between two utilisations of it."""

    from_percent: int
    to_percent: int


class Failover(ConfigStruct, tag="failover", frozen=True):
    """The first tier with a usable target serves; with ``spill``, the next gets a part before that."""

    tiers: tuple[Tier, ...]
    spill: Spill | None = None


Strategy = Weighted | Failover


class Route(ConfigStruct, frozen=True):
    """A condition and a strategy; without a condition it always matches."""

    name: str
    strategy: Strategy
    when: Condition | None = None


class Affinity(ConfigStruct, frozen=True):
    """What keeps requests on one endpoint of a target, as long as that has at most so much more than the mean."""

    key: Literal["Prefix", "Session"]
    max_overload_percent: int = 125


class Feedback(ConfigStruct, frozen=True):
    """Whether load moves weights, how often, and for how long a sample is good."""

    mode: Literal["Active", "Observe", "Disabled"] = "Active"
    interval_ms: int = 5_000
    stale_after_ms: int = 15_000


class Policy(ConfigStruct, frozen=True):
    """One RoutingPolicy, compiled. ``models`` are unique in a configuration; routes are tried in order."""

    name: str
    models: tuple[str, ...]
    access: Access
    targets: tuple[Target, ...]
    routes: tuple[Route, ...]
    affinity: Affinity | None = None
    feedback: Feedback = Feedback()
    debug: bool = False


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
    rename: dict[str, str] = {}
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


class Backend(ConfigStruct, frozen=True):
    """One ModelBackend, compiled.

    ``endpoints`` are the ready addresses observed of a Service (IP addresses). ``dns`` is what a URL names, or the
    Service's own DNS name, to be resolved by the router. ``authority`` is the Host header (and URL for proxies).
    ``features`` absent means undeclared: nothing is filtered by it.
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


class RouterConfig(ConfigStruct, frozen=True):
    """Everything that a router needs, secrets apart.

    ``limit_shares`` is the number of workers over all replicas: among them each backend's limits are divided as long
    as nobody leases parts of them.
    """

    format_version: int
    name: str
    policies: tuple[Policy, ...]
    backends: tuple[Backend, ...]
    limit_shares: int = 1

    def secret_entries(self) -> frozenset[str]:
        """The names of all secret entries that must be readable before this configuration may serve."""
        names = {entry for p in self.policies for t in p.access.tenants for entry in t.keys}
        for backend in self.backends:
            if backend.api_key:
                names.add(backend.api_key.entry)
            if backend.tls:
                names.update(e for e in (backend.tls.ca, backend.tls.certificate, backend.tls.key) if e)
        return frozenset(names)


def encode(config: RouterConfig) -> bytes:
    """Canonical JSON: sorted keys, no spaces; equal configurations give equal bytes."""
    return msgspec.json.encode(config, order="deterministic")


def decode(data: bytes) -> RouterConfig:
    """Read a configuration.

    Raises ``msgspec.ValidationError`` for a wrong shape and ``ValueError`` for a format that this code cannot read.
    """
    config = msgspec.json.decode(data, type=RouterConfig)
    if config.format_version != FORMAT_VERSION:
        raise ValueError(f"configuration format {config.format_version} is not {FORMAT_VERSION}: upgrade the router")
    return config


def by_names(data: bytes) -> bytes:
    """The same configuration without addresses of pods: Services are found by their names, as anybody finds them."""
    config = decode(data)
    backends = tuple(
        msgspec.structs.replace(backend, endpoints=()) if backend.dns is not None else backend
        for backend in config.backends
    )
    return encode(msgspec.structs.replace(config, backends=backends))


def content_hash(data: bytes) -> str:
    """Name of a configuration: the first 16 hex digits of the SHA-256 of its canonical JSON."""
    return hashlib.sha256(data).hexdigest()[:16]
