"""What is simulated: backends, policies, who asks and how often, and what goes wrong meanwhile. Data only."""

from dataclasses import dataclass
from typing import Literal

from signalbox.feedback.plan import INTERVAL, STALE_AFTER, Mode
from signalbox.feedback.readings import PROMPT_WORK
from signalbox.simulation.engines import Machine

Arrivals = Literal["Poisson", "Bursty", "Diurnal"]
Metrics = Literal["Exact", "Zero", "None"]
"""What an endpoint exports: its load, a constant zero in place of it, nothing (a provider)."""

MEAN_OUTPUT, MEAN_PROMPT = 260.0, 400.0
"""Tokens of a request. With ``PROMPT_WORK`` 0.1 that is 300 tokens of work."""
LENGTH_VARIATION = 1.0
"""Coefficient of variation of both: real answers vary at least as much. They are drawn apart, so that of the work of a
request, (260² + 40²)^½ / 300, is 0.88."""


@dataclass(frozen=True)
class Target:
    """A backend of a set, and the weight that is declared for it."""

    backend: str
    weight: int | None = None
    name: str = ""


@dataclass(frozen=True)
class Route:
    """Tiers of targets, in order; ``spill`` as in the API (utilisations from which and to which), ``part`` of the
    policy's requests."""

    name: str
    tiers: tuple[tuple[Target, ...], ...]
    spill: tuple[float, float] | None = None
    part: float = 1.0


@dataclass(frozen=True)
class Policy:
    """``part`` of all requests go to its ``routers``, each the same. With ``affinity``, a conversation keeps to one
    endpoint of a target, as long as that has at most so many percent of the mean in flight."""

    name: str
    routes: tuple[Route, ...]
    part: float = 1.0
    routers: int = 1
    mode: Mode = "Active"
    interval: float = INTERVAL
    stale_after: float = STALE_AFTER
    affinity: int | None = None


@dataclass(frozen=True)
class Backend:
    """``longer``: how many times as long its answers are. ``declared``: its resource says its rate and its batch
    (or one of them: ``batch_declared``); otherwise that is to be learned. ``limit``: more requests than that it
    ``refuses`` by 429, or routers send it no more."""

    name: str
    machine: Machine
    endpoints: int = 1
    longer: float = 1.0
    metrics: Metrics = "Exact"
    declared: bool = True
    batch_declared: bool | None = None
    limit: int | None = None
    refuses: bool = True
    tokens_per_minute: int | None = None
    slow_start: float = 30.0
    model: str = ""

    @property
    def rate(self) -> float:
        """Tokens/s of all endpoints, at first."""
        return self.machine.rate * self.endpoints


@dataclass(frozen=True)
class Change:
    """At a time (a part of the run) a backend gets slower (``slow`` times), grows or shrinks, dies or comes back."""

    at: float
    backend: str
    slow: float | None = None
    endpoints: int | None = None
    down: bool | None = None


@dataclass(frozen=True)
class Scenario:
    """``load`` is work that arrives over what all backends can do. ``skip`` seconds at first count for no figure.

    Reports of routers and readings of engines travel ``delay`` seconds; a part of each is lost.
    """

    name: str
    backends: tuple[Backend, ...]
    policies: tuple[Policy, ...]
    load: float = 0.8
    requests: int = 20_000
    arrivals: Arrivals = "Poisson"
    changes: tuple[Change, ...] = ()
    skip: float = 60.0
    report_delay: float = 0.05
    reports_lost: float = 0.0
    scrape_delay: float = 0.02
    scrapes_lost: float = 0.0
    publish_delay: float = 0.05
    variation: float = LENGTH_VARIATION
    conversations: int = 0
    output: float = MEAN_OUTPUT
    prompt: float = MEAN_PROMPT

    @property
    def mean_work(self) -> float:
        """Tokens of work of a request of usual length."""
        return self.output + PROMPT_WORK * self.prompt

    @property
    def rate(self) -> float:
        """Requests that arrive in a second."""
        return self.load * sum(each.rate / (self.mean_work * each.longer) for each in self.backends)

    @property
    def duration(self) -> float:
        """Seconds in which requests arrive."""
        return self.requests / self.rate
