"""RoutingPolicy: which models clients see, and which backend answers a request."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from signalbox.api.base import ApiModel
from signalbox.api.deployment import RFC1035, Deployment, Router, Sidecar
from signalbox.api.meta import Conditions, ObjectMeta, ObservedGeneration, StatusModel
from signalbox.api.rules import ListOf, Rule, Rules
from signalbox.api.types import LabelName, ModelName, NameRef, SignalName, TargetName


class Target(ApiModel):
    """A backend, under the name that it has in this policy."""

    name: SignalName
    """Name of the target; routes and conditions use it (targets.NAME.inFlight)."""
    backend_ref: NameRef
    """The ModelBackend, in this namespace."""


class WeightedTarget(ApiModel):
    """A target and its share."""

    name: TargetName
    """Name of a target in spec.targets."""
    weight: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    """Share of the requests, in relation to the other weights: 9 and 1 give 90 % and 10 %; 0 gives nothing. Give a
    weight to all targets of a set or to none; with none, all get the same."""


ShareList = Annotated[
    list[WeightedTarget],
    Field(min_length=1, max_length=64),
    ListOf("map"),
    Rules(
        Rule(
            "self.exists(t, !has(t.weight) || t.weight > 0)",
            "all weights are 0, so nothing could ever be sent: give one target a weight above 0",
        )
    ),
]


class Weighted(ApiModel):
    """Draws a target by share for every request."""

    targets: ShareList
    """The targets and their shares. A share is kept within one point over 10,000 requests."""


class Tier(ApiModel):
    """A set of targets of equal rank."""

    targets: ShareList
    """The targets of the tier and their shares."""


class Failover(ApiModel):
    """Uses the first tier that has a usable target."""

    tiers: Annotated[list[Tier], Field(min_length=1, max_length=8), ListOf("atomic")]
    """Tiers in order of preference. A later one serves only while no target of the earlier ones is usable."""


class Route(ApiModel):
    """A condition, and how to choose a target where it holds."""

    name: SignalName
    """Name of the route, for metrics, logs and the header x-signalbox-route."""
    when: Annotated[str, Field(min_length=1, max_length=4096)] | None = None
    """A condition in CEL, such as query.chars < 50 && user.tier == "gold". Absent: always. The last route has none.
    A condition that errors counts as not matching."""
    weighted: Weighted | None = None
    """Strategy: draw a target by share. Exactly one strategy."""
    failover: Failover | None = None
    """Strategy: the first tier with a usable target. Exactly one strategy."""

    rules: ClassVar = (
        Rule(
            "has(self.weighted) || has(self.failover)",
            "says nothing about where to send the request: add weighted or failover",
            reason="FieldValueRequired",
        ),
        Rule(
            "!(has(self.weighted) && has(self.failover))",
            "weighted and failover are both there: remove one, or write two routes",
            field="failover",
            reason="FieldValueForbidden",
        ),
    )


class KeySource(ApiModel):
    """Where keys come from."""

    secret_ref: NameRef
    """A Secret; each of its values is one key (at least 16 bytes; white space around it is cut off)."""


class Tenant(ApiModel):
    """Somebody who may use the policy, known by a key."""

    name: LabelName
    """Name of the tenant: user.tenant in conditions, and in metrics and logs."""
    tier: LabelName | None = None
    """Class of service, such as gold: user.tier in conditions."""
    keys_from: Annotated[list[KeySource], Field(min_length=1, max_length=16), ListOf("atomic")]
    """The tenant's keys. Clients send one as Authorization: Bearer KEY or x-api-key."""


class Anonymous(ApiModel):
    """Everybody who can reach the router; there is nothing to set."""


class Access(ApiModel):
    """Who may use the policy. Exactly one of anonymous and tenants."""

    anonymous: Anonymous | None = None
    """Everybody who can reach the router, without a key: anonymous: {}."""
    tenants: Annotated[list[Tenant], Field(min_length=1, max_length=256), ListOf("map")] | None = None
    """The tenants that may use the policy, each known by its keys."""

    rules: ClassVar = (
        Rule(
            "has(self.anonymous) || has(self.tenants)",
            "says nobody may call: list tenants, or write anonymous: {} to let everybody in",
            reason="FieldValueRequired",
        ),
        Rule(
            "!(has(self.anonymous) && has(self.tenants))",
            "anonymous and tenants are both there: remove anonymous to demand keys",
            field="anonymous",
            reason="FieldValueForbidden",
        ),
    )


class RoutingPolicySpec(ApiModel):
    """Which models clients see, and how requests for them are routed."""

    models: Annotated[list[ModelName], Field(min_length=1, max_length=64), ListOf("set")]
    """Names that clients put in "model". Each belongs to one policy of a router."""
    targets: Annotated[list[Target], Field(min_length=1, max_length=64), ListOf("map")]
    """The backends that this policy chooses among, each under a name of its own."""
    routes: Annotated[
        list[Route],
        Field(min_length=1, max_length=128),
        ListOf("atomic"),
        Rules(
            Rule(
                "self.all(r, self.exists_one(o, o.name == r.name))",
                "two routes have one name: rename one",
                twin=lambda routes: len({route["name"] for route in routes}) == len(routes),
            ),
            Rule(
                "!has(self[self.size() - 1].when)",
                "the last route must take every request that is left: remove its when, or add a route without one",
            ),
        ),
    ]
    """Tried in order: the first route whose condition holds serves the request. The last has no condition.
    All conditions together have at most 65,536 characters."""
    access: Access
    """Who may use the policy. There is no default: say tenants, or anonymous: {}."""
    debug: Literal["Denied", "Allowed"] = "Denied"
    """Allowed: clients that send x-signalbox-debug: true get x-signalbox-reason, which says why a request went where it
    did."""
    router: Router | None = None
    """What runs the policy. Default: deployment: {}, a router of its own."""

    @property
    def deployment_in_force(self) -> Deployment:
        """``router.deployment``, or what the absence of ``router`` means."""
        return (self.router.deployment if self.router else None) or Deployment()

    @property
    def sidecar(self) -> Sidecar | None:
        """``router.sidecar``: then nothing of the deployment counts."""
        return self.router.sidecar if self.router else None


class RouterAddress(StatusModel):
    """Where clients reach the policy."""

    type: Literal["Service", "Sidecar"]
    """What answers there: a Service in the cluster, or the sidecar inside each pod."""
    url: Annotated[str, Field(max_length=1024)]
    """Base URL for OpenAI clients."""


class ConfigInForce(StatusModel):
    """A configuration, and how many routers have it."""

    hash: Annotated[str, Field(min_length=1, max_length=64)]
    """Hash of the configuration."""
    pods: Annotated[int, Field(ge=0)]
    """Pods that serve with it."""


class RouterStatus(StatusModel):
    """The router that serves the policy."""

    replicas: Annotated[int, Field(ge=0)] | None = None
    """Pods that are wanted; of sidecars, pods that have one."""
    ready_replicas: Annotated[int, Field(ge=0)] | None = None
    """Pods that are ready."""
    uninjected: Annotated[int, Field(ge=0)] | None = None
    """Pods that ask for a sidecar and have none, since they were made while nobody added it: make them anew."""
    config_hash: Annotated[str, Field(max_length=64)] | None = None
    """Hash of the configuration that routers are to have."""
    configs_in_force: Annotated[list[ConfigInForce], Field(max_length=16), ListOf("map", "hash")] | None = None
    """The configurations that routers report."""


class RoutingPolicyStatus(StatusModel):
    """What Signalbox made of the policy."""

    observed_generation: ObservedGeneration | None = None
    """The metadata.generation that this status describes; -1 before an operator has seen the object."""
    conditions: Conditions | None = None
    """Accepted, ResolvedRefs, Programmed, Reachable and Ready."""
    addresses: Annotated[list[RouterAddress], Field(max_length=16), ListOf("atomic")] | None = None
    """Where clients reach the policy."""
    router: RouterStatus | None = None
    """The router that serves the policy."""


class RoutingPolicy(ApiModel):
    """Routes requests for one or several model names to backends: an ordered list of conditions, each with a strategy,
    and who may use it."""

    api_version: Literal["signalbox.dev/v1alpha1"]
    kind: Literal["RoutingPolicy"]
    metadata: ObjectMeta
    spec: RoutingPolicySpec
    """Models, targets, routes and access."""
    status: RoutingPolicyStatus | None = None
    """Written by Signalbox."""

    rules: ClassVar = (
        Rule(
            f"self.metadata.name.size() <= 52 && self.metadata.name.matches('{RFC1035}')",
            "must have at most 52 characters: lower-case letters, digits and -, with a letter first and no - last",
            field="metadata.name",
        ),
    )
