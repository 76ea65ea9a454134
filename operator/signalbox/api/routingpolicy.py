"""RoutingPolicy: which models clients see, and which backend answers a request."""

from collections import Counter
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from signalbox.api.base import ApiModel
from signalbox.api.classifiers import Classifiers
from signalbox.api.deployment import RFC1035, Deployment, Router, Sidecar
from signalbox.api.feedback import Affinity, Feedback
from signalbox.api.meta import Conditions, ObjectMeta, ObservedGeneration, StatusModel
from signalbox.api.routes import Route
from signalbox.api.rules import ListOf, Rule, Rules
from signalbox.api.types import LabelName, ModelName, NameRef, SignalName


class Target(ApiModel):
    """A backend, under the name that it has in this policy."""

    name: SignalName
    """Name of the target; routes and conditions use it (targets.NAME.inFlight)."""
    backend_ref: NameRef
    """The ModelBackend, in this namespace."""


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
    tiers: (
        Annotated[
            list[LabelName],
            Field(min_length=1, max_length=16),
            ListOf("atomic"),
            Rules(
                Rule(
                    "self.all(t, self.exists_one(o, o == t))",
                    "names one tier twice: remove one",
                )
            ),
        ]
        | None
    ) = None
    """Tiers from the most important to the least, such as [gold, silver]: when there is more to do than can be done,
    the last ones are refused first, and tenants whose tier is not listed before these. Default: all are equal."""

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
        Rule(
            "!has(self.tiers) || !has(self.anonymous)",
            "goes with tenants only: whoever needs no key has no tier",
            field="tiers",
            reason="FieldValueForbidden",
        ),
    )


def _twice(routes: list[dict[str, Any]]) -> list[str]:
    """The names that more than one route has, in quotes."""
    counts = Counter(route["name"] for route in routes)
    return [f'"{name}"' for name, count in counts.items() if count > 1]


class RoutingPolicySpec(ApiModel):
    """Which models clients see, and how requests for them are routed."""

    models: Annotated[list[ModelName], Field(min_length=1, max_length=64), ListOf("set")]
    """Names that clients put in "model". Each belongs to one policy of a router."""
    targets: Annotated[list[Target], Field(min_length=1, max_length=64), ListOf("map")]
    """The backends that this policy chooses among, each under a name of its own."""
    classifiers: Classifiers | None = None
    """What puts labels on queries, for conditions and strategies."""
    routes: Annotated[
        list[Route],
        Field(min_length=1, max_length=128),
        ListOf("atomic"),
        Rules(
            Rule(
                "self.all(r, self.exists_one(o, o.name == r.name))",
                "two routes have one name: rename one",
                twin=lambda routes: not _twice(routes),
                says=lambda routes: f"two routes have one name, {', '.join(_twice(routes))}: rename one",
            ),
            Rule(
                "!has(self[self.size() - 1].when)",
                "the last route must take every request that is left: remove its when, or add a route without one",
            ),
        ),
    ]
    """Tried in order: the first route whose condition holds serves the request. The last has no condition.
    All conditions together have at most 65,536 characters."""
    affinity: Affinity | None = None
    """Which endpoint of a target gets a request. Default: the less busy of two drawn at random."""
    feedback: Feedback = Feedback()
    """Whether the load of the engines moves weights."""
    access: Access
    """Who may use the policy. There is no default: say tenants, or anonymous: {}."""
    debug: Literal["Denied", "Allowed"] = "Denied"
    """Allowed: clients that send x-signalbox-debug: true get x-signalbox-reason, which says why a request went where it
    did, and x-signalbox-trail of chains: who was asked, what came of it, with which score and why."""
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


class TargetWeight(StatusModel):
    """The part of a route's requests that a target gets."""

    target: Annotated[str, Field(min_length=1, max_length=63)]
    """Name of the target."""
    base_permille: Annotated[int, Field(ge=0, le=1000)]
    """What it would get without load: the declared share, or its part of the capacity."""
    effective_permille: Annotated[int, Field(ge=0, le=1000)]
    """What it gets; with feedback.mode Observe, what it would get."""
    reason: Annotated[str, Field(max_length=64)] | None = None
    """Why: Declared (the share), Base (capacity alone), Load, Overloaded, Held (the sample is late), Stale (too old:
    back to the base), Spilled, Idle (a tier that is not in use) or NoEndpoint."""
    observed_at: Annotated[datetime, Field(strict=False)] | None = None
    """When the sample behind it was taken."""


class StepConfidence(StatusModel):
    """How the confidence of a step with accept.logProbs is known."""

    target: Annotated[str, Field(min_length=1, max_length=63)]
    """Name of the target."""
    state: Literal["Calibrated", "Uncalibrated", "Training", "Failed"]
    """Calibrated: learned from examples. Uncalibrated: the mean probability of a token, for want of examples."""
    examples: Annotated[int, Field(ge=0)] | None = None
    """Examples with an answer of the target."""
    message: Annotated[str, Field(max_length=1024)] | None = None
    """What is wrong, and what to do about it."""


class RouteStatus(StatusModel):
    """Where the requests of a route go."""

    name: Annotated[str, Field(min_length=1, max_length=63)]
    """Name of the route."""
    summary: Annotated[str, Field(max_length=256)] | None = None
    """The weights in one line, such as small 87%, strong 13%."""
    weights: Annotated[list[TargetWeight], Field(max_length=64), ListOf("map", "target")] | None = None
    """Every target of the route."""
    steps: Annotated[list[StepConfidence], Field(max_length=8), ListOf("atomic")] | None = None
    """Of a cascade: the steps with accept.logProbs."""


class Interval(StatusModel):
    """A figure and its 95 % interval, as decimal strings."""

    value: Annotated[str, Field(max_length=16)]
    """The figure itself."""
    low: Annotated[str, Field(max_length=16)]
    """Lower end of the interval."""
    high: Annotated[str, Field(max_length=16)]
    """Upper end of the interval."""


class Threshold(StatusModel):
    """One possible cut of a classifier that learned from scores."""

    strong_share_percent: Annotated[int, Field(ge=0, le=100)]
    """So many percent of the queries get another label than the first."""
    threshold: Annotated[str, Field(max_length=16)]
    """The expected gain from which they do, in points."""
    quality: Annotated[str, Field(max_length=16)]
    """The mean score that this gives, in percent, as cross-validated."""


class ClassifierStatus(StatusModel):
    """What became of a trained classifier."""

    name: Annotated[str, Field(min_length=1, max_length=63)]
    """Name of the classifier."""
    state: Literal["Ready", "Training", "Failed"]
    """Training: the last model serves, or the default label where there is none yet. Failed: message says why."""
    examples: Annotated[int, Field(ge=0)] | None = None
    """Examples that it learned from."""
    apgr: Interval | None = None
    """With scores, cross-validated: the mean part of the quality between the first and the strongest label that is
    recovered over all shares of strong calls. 0.5 is what chance would give, 1 the strongest label alone."""
    accuracy: Interval | None = None
    """With labels, cross-validated: the part of the queries that get their label."""
    cpt50: Annotated[str, Field(max_length=16)] | None = None
    """With scores: percent of strong calls that recover half of that quality."""
    thresholds: Annotated[list[Threshold], Field(max_length=16), ListOf("atomic")] | None = None
    """With scores: what other cuts would give."""
    message: Annotated[str, Field(max_length=1024)] | None = None
    """What is wrong, or could be better, and what to do about it."""


class RoutingPolicyStatus(StatusModel):
    """What Signalbox made of the policy."""

    observed_generation: ObservedGeneration | None = None
    """The metadata.generation that this status describes; -1 before an operator has seen the object."""
    conditions: Conditions | None = None
    """Accepted, ResolvedRefs, Programmed, Reachable, SignalsFresh (with targets that declare signals) and Ready."""
    addresses: Annotated[list[RouterAddress], Field(max_length=16), ListOf("atomic")] | None = None
    """Where clients reach the policy."""
    router: RouterStatus | None = None
    """The router that serves the policy."""
    classifiers: Annotated[list[ClassifierStatus], Field(max_length=16), ListOf("map")] | None = None
    """What became of trained classifiers."""
    routes: Annotated[list[RouteStatus], Field(max_length=128), ListOf("map")] | None = None
    """Where requests go, route by route. Of very many targets, the last routes have a summary only. Written when a
    weight has moved by 10 points, not more often than every 30 s, and when a target is ejected or returns."""


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
