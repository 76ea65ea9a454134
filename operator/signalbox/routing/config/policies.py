"""One RoutingPolicy, compiled."""

from typing import Literal

from signalbox.routing.config.base import ConfigStruct
from signalbox.routing.config.classifiers import Classifier
from signalbox.routing.config.strategies import Strategy
from signalbox.routing.expressions.tree import Condition


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
    classifiers: tuple[Classifier, ...] = ()
    affinity: Affinity | None = None
    feedback: Feedback = Feedback()
    debug: bool = False
