"""The router configuration: what ``plan`` writes and the router reads.

One configuration serves one or several policies, dispatched by model. It is data only: conditions travel as checked
trees, secrets as names of entries that the router is given beside it. Unknown fields are ignored, so that a router
may be older than the planner; a change that an older router would misread raises ``FORMAT_VERSION``.
"""

import hashlib

import msgspec

from signalbox.routing.config.backends import (
    NO_PROFILE,
    Address,
    ApiKey,
    Backend,
    Feature,
    Header,
    HealthCheck,
    Limits,
    Pricing,
    Profile,
    RequestMapping,
    Timeouts,
    Tls,
)
from signalbox.routing.config.base import ConfigStruct
from signalbox.routing.config.chains import (
    Accept,
    BestOf,
    ByAgreement,
    ByExpression,
    ByJudge,
    ByLogProbs,
    Cascade,
    ChainLimits,
    Consensus,
    Equality,
    Judge,
    OnFailure,
    Sampled,
    Step,
    Voter,
)
from signalbox.routing.config.choosing import Bounds, Labelled, Objective, Select
from signalbox.routing.config.classifiers import Classifier, Http, Llm, Trained
from signalbox.routing.config.policies import Access, Affinity, Feedback, Policy, Route, Target, Tenant
from signalbox.routing.config.strategies import Chain, Strategy, kind_of, sets_of, targets_of
from signalbox.routing.config.weighted import Failover, Share, Spill, Tier, Weighted

FORMAT_VERSION = 1


class RouterConfig(ConfigStruct, frozen=True):
    """Everything that a router needs, secrets apart.

    ``services`` are what classifiers ask over HTTP: backends that serve no model. ``limit_shares`` is the number of
    workers over all replicas: among them each backend's limits are divided as long as nobody leases parts of them.
    """

    format_version: int
    name: str
    policies: tuple[Policy, ...]
    backends: tuple[Backend, ...]
    services: tuple[Backend, ...] = ()
    limit_shares: int = 1

    def secret_entries(self) -> frozenset[str]:
        """The names of all secret entries that must be readable before this configuration may serve."""
        names = {entry for p in self.policies for t in p.access.tenants for entry in t.keys}
        for backend in (*self.backends, *self.services):
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


__all__ = [
    "FORMAT_VERSION",
    "NO_PROFILE",
    "Accept",
    "Access",
    "Address",
    "Affinity",
    "ApiKey",
    "Backend",
    "BestOf",
    "Bounds",
    "ByAgreement",
    "ByExpression",
    "ByJudge",
    "ByLogProbs",
    "Cascade",
    "Chain",
    "ChainLimits",
    "Classifier",
    "ConfigStruct",
    "Consensus",
    "Equality",
    "Failover",
    "Feature",
    "Feedback",
    "Header",
    "HealthCheck",
    "Http",
    "Judge",
    "Labelled",
    "Limits",
    "Llm",
    "Objective",
    "OnFailure",
    "Policy",
    "Pricing",
    "Profile",
    "RequestMapping",
    "Route",
    "RouterConfig",
    "Sampled",
    "Select",
    "Share",
    "Spill",
    "Step",
    "Strategy",
    "Target",
    "Tenant",
    "Tier",
    "Timeouts",
    "Tls",
    "Trained",
    "Voter",
    "Weighted",
    "by_names",
    "content_hash",
    "decode",
    "encode",
    "kind_of",
    "sets_of",
    "targets_of",
]
