"""ModelBackend: one model behind one address, and all that is needed to call it."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from signalbox.api.base import ApiModel
from signalbox.api.meta import Conditions, ObjectMeta, ObservedGeneration, StatusModel
from signalbox.api.requestmapping import HeaderName, RequestMapping
from signalbox.api.rules import ListOf, Rule, Rules
from signalbox.api.signals import Capacity, Signals
from signalbox.api.types import (
    ConfigMapKeyRef,
    Duration,
    ModelName,
    NameRef,
    ObjectName,
    Port,
    Price,
    SecretKeyRef,
    duration_rules,
)

Format = Literal["OpenAI", "Anthropic"]
Feature = Literal["Tools", "LogProbs", "Vision", "JSONSchema", "Embeddings"]

DEFAULT_BASE_PATH = "/v1"

BasePath = Annotated[
    str,
    Field(min_length=1, max_length=256),
    Rules(
        Rule(
            "self.matches('^/([A-Za-z0-9._~!$&()*+,;=:@%/-]*[A-Za-z0-9._~!$&()*+,;=:@%-])?$') && !self.contains('//')",
            "must be a path such as /v1: it starts with / and ends without one (only / itself means no path)",
        )
    ),
]


def url_rules(instead_of_query: str) -> Rules:
    """What a URL must be; a query is refused, with the fix."""
    return Rules(
        Rule("self.matches('^https?://')", "must start with https:// or http://"),
        Rule("!self.matches('^[a-zA-Z]+://[^/?#]*@')", "must not hold a user or password: use auth.apiKey"),
        Rule("!self.contains('?')", f"must not hold a query: {instead_of_query}"),
        Rule("!self.contains('#')", "must not hold a fragment: remove # and what follows"),
        Rule(
            "!self.matches('^https?://[^/?#@]*([/?#]|$)') || "
            "self.matches('^https?://([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\\\\[[0-9A-Fa-f:.]+\\\\])"
            "(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6([0-4][0-9]{3}|5([0-4][0-9]{2}|5([0-2][0-9]|3[0-5])))))?([/?#]|$)')",
            "must name a host, and a port if any, such as https://api.example.com/v1 or http://127.0.0.1:8000/v1",
        ),
        Rule(
            "!self.matches('^https?://[^/?#]+/') || self.matches('^https?://[^/?#]+/[A-Za-z0-9._~!$&()*+,;=:@%/?#-]*$')",
            "must have a path of URL characters: percent-encode the others",
        ),
    )


Url = Annotated[str, Field(min_length=1, max_length=1024), url_rules("use request.query")]

HostName = Annotated[
    str,
    Field(min_length=1, max_length=253),
    Rules(Rule("self.matches('^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$')", "must be a DNS name, without a port")),
]


class ServiceRef(ApiModel):
    """A Service of this namespace."""

    name: ObjectName
    """Name of the Service."""
    port: Port
    """Port of the Service, by number or by name."""


class ApiKey(ApiModel):
    """A key that is sent in a request header."""

    secret_ref: SecretKeyRef
    """The Secret that holds the key. A new value is in force without a restart."""
    header: HeaderName | None = None
    """The request header that carries the key, such as Authorization, api-key or x-api-key. Default: x-api-key with
    format Anthropic, else Authorization."""
    prefix: (
        Annotated[str, Field(max_length=32), Rules(Rule("self.matches('^[ -~]*$')", "must be printable ASCII"))] | None
    ) = None
    """What stands before the key. Default: "Bearer " (with the space) in Authorization, nothing in other headers."""

    def in_force(self, api: Format) -> tuple[str, str]:
        """Header and prefix, or what their absence means for a backend that speaks that API."""
        header = self.header or ("x-api-key" if api == "Anthropic" else "Authorization")
        if self.prefix is not None:
            return header, self.prefix
        return header, "Bearer " if header.lower() == "authorization" else ""


class Auth(ApiModel):
    """How Signalbox proves to the backend who it is. The client's own credentials are never passed on."""

    api_key: ApiKey
    """A key in a request header."""


class Tls(ApiModel):
    """TLS towards the backend. The certificate is always verified."""

    ca_config_map_ref: ConfigMapKeyRef | None = None
    """Authorities (PEM) that may sign the backend's certificate. Default: the system's authorities."""
    server_name: HostName | None = None
    """Name to ask for (SNI) and to find in the certificate. Default: the host of url, or SERVICE.NAMESPACE.svc."""
    client_certificate_ref: NameRef | None = None
    """A Secret of type kubernetes.io/tls with the certificate that Signalbox shows to the backend."""


Percent = Annotated[int, Field(ge=0, le=100)]


class Profile(ApiModel):
    """What the model can do. Requests that need more go to other targets of the policy."""

    quality: Percent | None = None
    """How good its answers are on the whole, in percent, for objectives and the votes of a consensus: the scale is
    yours, the same for all backends."""
    skills: (
        Annotated[
            dict[str, Percent],
            Field(max_length=16),
            Rules(
                Rule(
                    "self.all(name, name.matches('^[a-z][a-z0-9_]{0,62}$'))",
                    "has a name that is none: start with a lower-case letter, go on with lower-case letters, digits "
                    "or _, such as code",
                )
            ),
        ]
        | None
    ) = None
    """Quality in some field, in percent, such as code: 80; code counts for queries with code, other names as labels of
    the classifier that an objective asks."""
    latency: Annotated[Duration, Field(max_length=20), duration_rules("1ms", "10m")] | None = None
    """Usual time to the first token, as long as none was measured."""
    context_window: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    """Tokens of prompt and answer together. A request whose prompt estimate plus max_tokens is above it is not sent
    here. Default: not checked."""
    features: Annotated[list[Feature], Field(max_length=5), ListOf("set")] | None = None
    """What requests may use here: Tools, LogProbs, Vision (images), JSONSchema (structured output), Embeddings.
    Default: not checked. With a list, requests that need anything else go elsewhere. A backend of format Anthropic has
    neither LogProbs nor Embeddings."""


class Pricing(ApiModel):
    """Prices per million tokens, as decimal strings in one currency for all backends."""

    input_per_million: Price
    """Price of a million prompt tokens, such as "0.05"."""
    output_per_million: Price
    """Price of a million answer tokens; "0" for an embedding model."""
    cached_input_per_million: Price | None = None
    """Price of a million prompt tokens that the backend had cached. Default: as inputPerMillion."""


class Limits(ApiModel):
    """Limits of the backend as a whole, over all routers. A backend at its limit is full: others are used, and if all
    are full the client gets 429 with Retry-After."""

    max_in_flight: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Requests at the same time."""
    requests_per_minute: Annotated[int, Field(ge=1, le=100_000_000)] | None = None
    """Requests a minute."""
    tokens_per_minute: Annotated[int, Field(ge=1, le=1_000_000_000_000)] | None = None
    """Tokens of prompts and answers a minute."""


class HttpProbe(ApiModel):
    """A GET request; an answer 2xx is healthy."""

    path: Annotated[
        str,
        Field(min_length=1, max_length=256),
        Rules(Rule("self.matches('^/[!-~]*$') && !self.contains('#')", "must be a path such as /health")),
    ]
    """Path from the root of the endpoint; basePath is not put before it."""


class Health(ApiModel):
    """Active checks of every endpoint, beside what the requests themselves show."""

    http: HttpProbe
    """Check by an HTTP request."""
    interval: Annotated[Duration, Field(max_length=20), duration_rules("1s", "1h")] = Duration("10s")
    """Time between two checks of an endpoint, also the time that one may take (at most 10s)."""
    unhealthy_threshold: Annotated[int, Field(ge=1, le=100)] = 3
    """Failed checks in a row until an endpoint is taken out."""
    healthy_threshold: Annotated[int, Field(ge=1, le=100)] = 1
    """Good checks in a row until it is back."""


class Timeouts(ApiModel):
    """How long to wait for the backend. Durations such as 500ms, 5s, 1m30s."""

    connect: Annotated[Duration, Field(max_length=20), duration_rules("10ms", "1m")] = Duration("2s")
    """To connect, TLS included. After it the next endpoint or target is tried."""
    first_token: Annotated[Duration, Field(max_length=20), duration_rules("100ms", "1h")] = Duration("60s")
    """Streams only: from the request to the first content. After it the next endpoint or target is tried."""
    idle: Annotated[Duration, Field(max_length=20), duration_rules("100ms", "1h")] = Duration("60s")
    """Streams only: between two pieces of content. After it the stream ends with an error event."""
    request: Annotated[Duration, Field(max_length=20), duration_rules("100ms", "24h")] = Duration("600s")
    """The whole of one attempt. After it the client gets 504; it is not retried."""


class ModelBackendSpec(ApiModel):
    """One model behind one address."""

    model: ModelName
    """The name of the model that is sent to the backend, such as meta-llama/Llama-3.1-8B-Instruct. Clients use the
    names in spec.models of a RoutingPolicy."""
    format: Format = "OpenAI"
    """The API that the backend speaks: OpenAI (POST …/chat/completions and the like) or Anthropic (POST …/messages).
    Requests and answers are translated where clients speak the other one."""
    service_ref: ServiceRef | None = None
    """A Service of this namespace whose pods serve the model; its ready endpoints are tracked. Exactly one of
    serviceRef and url."""
    base_path: BasePath | None = None
    """With serviceRef only: the path before /chat/completions and the like. Default: /v1."""
    url: Url | None = None
    """An address outside of the cluster with its base path, such as https://api.openai.com/v1. Exactly one of
    serviceRef and url."""
    request: RequestMapping | None = None
    """Changes to requests on their way to this backend."""
    auth: Auth | None = None
    """Credentials for the backend. Default: none are sent."""
    tls: Tls | None = None
    """TLS settings. With serviceRef its presence, even as {}, means HTTPS; an https url needs it only for other
    than the usual settings."""
    profile: Profile | None = None
    """What the model can do; targets that cannot serve a request drop out before the strategy chooses."""
    pricing: Pricing | None = None
    """What tokens cost; shown per request in metrics and access log."""
    capacity: Capacity | None = None
    """What one endpoint can do, as far as it is known before anything was measured. Default: learned."""
    limits: Limits | None = None
    """Bounds for the traffic that this backend gets. Default: none."""
    signals: Signals | None = None
    """Where the engines show their load. Default: they are not asked."""
    health: Health | None = None
    """Active health checks. Default: none, the outcomes of requests decide alone."""
    timeouts: Timeouts = Timeouts()
    """How long to wait for the backend."""

    rules: ClassVar = (
        Rule(
            "has(self.serviceRef) || has(self.url)",
            "say where the model is: add serviceRef (a Service of this namespace) or url",
            reason="FieldValueRequired",
        ),
        Rule(
            "!(has(self.serviceRef) && has(self.url))",
            "serviceRef and url are both there: remove one",
            field="url",
            reason="FieldValueForbidden",
        ),
        Rule(
            "!has(self.basePath) || has(self.serviceRef) || !has(self.url)",
            "goes with serviceRef only: put the path at the end of url",
            field="basePath",
            reason="FieldValueForbidden",
        ),
        Rule(
            "!has(self.tls) || !has(self.url) || !self.url.startsWith('http://')",
            "needs an https url: write https:// in url, or remove tls",
            field="tls",
            reason="FieldValueForbidden",
        ),
        Rule(
            "!has(self.url) || !has(self.signals) || !has(self.signals.port) || type(self.signals.port) == int",
            "is the name of a port, which only a Service has: write its number",
            field="signals.port",
        ),
        Rule(
            "self.format != 'Anthropic' || !has(self.profile) || !has(self.profile.features) || "
            "!self.profile.features.exists(f, f == 'LogProbs' || f == 'Embeddings')",
            "has LogProbs or Embeddings, which Anthropic's API does not have: remove them",
            field="profile",
        ),
        Rule(
            "!has(self.auth) || !has(self.auth.apiKey.header) || !has(self.request) || !has(self.request.headers) || "
            "!self.request.headers.exists(h, h.name.lowerAscii() == self.auth.apiKey.header.lowerAscii())",
            "sets the header that auth.apiKey.header names: remove it from request.headers",
            field="request",
        ),
    )

    @property
    def base_path_in_force(self) -> str:
        """The path before ``/chat/completions`` with ``serviceRef``: no slash at the end, empty for the root."""
        return (self.base_path or DEFAULT_BASE_PATH).rstrip("/")


class Endpoints(StatusModel):
    """How many endpoints the backend has."""

    ready: Annotated[int, Field(ge=0)]
    """Endpoints that take requests."""
    total: Annotated[int, Field(ge=0)]
    """All endpoints."""


class LoadStatus(StatusModel):
    """The load of all endpoints together, written now and then: only when it has moved by a tenth, and not more than
    every 30 s. The metrics have it all."""

    running: Annotated[int, Field(ge=0)] | None = None
    """Requests that the engines work on."""
    waiting: Annotated[int, Field(ge=0)] | None = None
    """Requests in their queues."""
    kv_cache_usage_percent: Annotated[int, Field(ge=0, le=100)] | None = None
    """Mean part of the KV caches in use."""
    tokens_per_second: Annotated[int, Field(ge=0)] | None = None
    """Tokens a second that come out."""
    capacity_tokens_per_second: Annotated[int, Field(ge=0)] | None = None
    """Tokens a second that could come out, as far as it was learned."""
    observed_at: Annotated[datetime, Field(strict=False)] | None = None
    """When the newest sample behind these figures was taken."""


class ModelBackendStatus(StatusModel):
    """What Signalbox knows about the backend."""

    observed_generation: ObservedGeneration | None = None
    """The metadata.generation that this status describes; -1 before an operator has seen the object."""
    conditions: Conditions | None = None
    """Accepted, ResolvedRefs, Reachable, Authorized, SignalsFresh (with spec.signals) and Ready."""
    endpoints: Endpoints | None = None
    """Endpoints of the Service, or one for a url."""
    load: LoadStatus | None = None
    """How much there is to do, as the engines say it or, without signals, the routers."""


class ModelBackend(ApiModel):
    """A model that requests can be routed to: a Service in the cluster or a URL outside, how to call it, what it can do
    and what it costs. A RoutingPolicy names it in its targets."""

    api_version: Literal["signalbox.dev/v1alpha1"]
    kind: Literal["ModelBackend"]
    metadata: ObjectMeta
    spec: ModelBackendSpec
    """Where the model is and how to call it."""
    status: ModelBackendStatus | None = None
    """Written by Signalbox."""

    rules: ClassVar = (
        Rule(
            "self.metadata.name.size() <= 63",
            "must have at most 63 characters",
            field="metadata.name",
        ),
    )
