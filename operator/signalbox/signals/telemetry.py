"""The loop's own metrics: what it sees, what it makes of it, and what autoscalers should.

Series are read off the newest step when somebody asks. A label is the name of a resource or of something in one; where
only one namespace is served, ``namespace`` is empty, which to Prometheus is the same as none.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric

from signalbox.feedback.backends import Load
from signalbox.feedback.demand import Answered, Demand, capacities, demand
from signalbox.feedback.law import Outcome
from signalbox.feedback.plan import Plan

STEP_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
SCRAPE_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One namespace after its newest step. ``problems`` are by backend and endpoint the kind of error that reading it
    met. ``answered`` is None until routers have said what they did: then nothing is said of demand."""

    namespace: str = ""
    plan: Plan
    outcome: Outcome
    problems: Mapping[str, Mapping[str, str]] = {}
    answered: Answered | None = None
    shed: Mapping[str, float] = {}


class Work:
    """How long steps and looks took, and how late looks began. Its methods fit the hooks of loop and scraper."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._steps = _histogram(
            "signalbox_feedback_step_duration_seconds", "Duration of a step of the law.", STEP_BUCKETS, self.registry
        )
        self._late = _histogram(
            "signalbox_scrape_lateness_seconds",
            "How much later than due an engine was asked for its metrics.",
            SCRAPE_BUCKETS,
            self.registry,
        )
        self._took = _histogram(
            "signalbox_scrape_duration_seconds",
            "Duration of asking an engine for its metrics, also in vain.",
            SCRAPE_BUCKETS,
            self.registry,
        )

    def stepped(self, seconds: float) -> None:
        """The law was stepped."""
        self._steps.observe(seconds)

    def looked(self, late: float, took: float) -> None:
        """An engine was asked, or not reached."""
        self._late.observe(late)
        self._took.observe(took)


class LoopFamilies:
    """A collector; ``seen`` gives what there is to show, ``clock`` the seconds of its samples. It may be asked by a
    thread of its own: what it reads does not change."""

    def __init__(
        self, seen: Callable[[], Sequence[Seen]], work: Work, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seen, self._work, self._clock = seen, work, clock
        self._capacities: dict[str, dict[str, float]] = {}

    def collect(self) -> Iterator[Metric]:
        """All families, in a fixed order."""
        seen, now = self._seen(), self._clock()
        yield from _weights(seen)
        yield from _backends(seen, now)
        yield _problems(seen)
        yield from self._demand(seen)
        yield from self._work.registry.collect()

    def _demand(self, seen: Sequence[Seen]) -> Iterator[Metric]:
        work = _gauge("signalbox_backend_demand_tokens_per_second", DEMAND_WORK, _BACKEND)
        replicas = _gauge("signalbox_backend_demand_replicas", DEMAND_REPLICAS, _BACKEND)
        known: dict[str, dict[str, float]] = {}
        for each in seen:
            state, before = each.outcome.state, self._capacities.get(each.namespace)
            known[each.namespace] = capacities(each.plan, state.backends, before)
            for name, wanted in _wanted(each, known[each.namespace]).items():
                work.add_metric([each.namespace, name], wanted.work)
                if wanted.replicas is not None:
                    replicas.add_metric([each.namespace, name], wanted.replicas)
        self._capacities = known
        yield from (work, replicas)


DEMAND_WORK = (
    "Tokens a second that the requests of all policies want of the backend by shares as declared, else by capacity, "
    "whatever was moved away; who waits and who was turned away included."
)
DEMAND_REPLICAS = (
    "Endpoints that this would keep just busy; absent where nothing tells what one does. For autoscalers: moving "
    "requests away hides from CPU and queues that more is wanted."
)
_BACKEND = ("namespace", "backend")
_TARGET = ("namespace", "policy", "route", "tier", "target", "backend")


class _Gauge(NamedTuple):
    """A family with one series a backend; None is no series."""

    name: str
    text: str
    value: Callable[[Load, float], float | None]


_LOADS = (
    _Gauge("running_requests", "Requests that engines of the backend work on.", lambda load, _: load.running),
    _Gauge("waiting_requests", "Requests that wait in engines of the backend.", lambda load, _: load.waiting),
    _Gauge("kv_cache_usage_ratio", "Mean use of the engines' KV cache, 0 to 1.", lambda load, _: load.kv_usage),
    _Gauge(
        "utilization_ratio",
        "Requests over the concurrency of the engines, or the use of the KV cache where that is more; 0 to 2. 0.9 is "
        "overloaded.",
        lambda load, _: load.utilization,
    ),
    _Gauge("capacity_tokens_per_second", "What the usable endpoints can do together.", lambda load, _: load.capacity),
    _Gauge(
        "tokens_per_second",
        "What they do: output tokens, and a tenth of the prompt tokens that were not cached.",
        lambda load, _: load.work,
    ),
    _Gauge("request_tokens", "Mean work of a request, counted like that.", lambda load, _: load.length),
    _Gauge("arrivals_per_second", "Requests that come, by whatever way.", lambda load, _: load.arrivals),
    _Gauge(
        "signal_age_seconds",
        "Age of the newest sample of the backend's load.",
        lambda load, now: None if load.observed_at is None else max(0.0, now - load.observed_at),
    ),
    _Gauge("usable_endpoints", "Endpoints that are ready and that some router can use.", lambda load, _: load.usable),
    _Gauge("silent_endpoints", "Those among them whose engine gave no sample lately.", lambda load, _: load.silent),
)


def _weights(seen: Sequence[Seen]) -> Iterator[Metric]:
    effective = _gauge("signalbox_target_weight_ratio", "Part of a set's requests that the target gets.", _TARGET)
    text = "What it would get without regard to load: as declared, else by capacity."
    base = _gauge("signalbox_target_base_weight_ratio", text, _TARGET)
    text = "1 for why the weight is what it is: Declared, Overloaded, Base, Load, Held, Stale or NoEndpoint."
    reason = _gauge("signalbox_target_weight_reason", text, (*_TARGET, "reason"))
    text = "1 for the mode of the set: Active, or Observe, in which weights are computed and not used."
    mode = _gauge("signalbox_feedback_mode", text, ("namespace", "policy", "route", "tier", "mode"))
    text = "Part of a failover's requests that its first tier gives to the next."
    spill = _gauge("signalbox_route_spill_ratio", text, ("namespace", "policy", "route"))
    for each in seen:
        for key, weights in each.outcome.weights.items():
            planned = each.plan.sets.get(key)
            if planned is None:
                continue
            place = [each.namespace, key.policy, key.route, str(key.tier)]
            mode.add_metric([*place, planned.mode], 1)
            backends = {share.target: share.backend for share in planned.shares}
            for weight in weights:
                labels = [*place, weight.target, backends.get(weight.target, "")]
                effective.add_metric(labels, weight.effective)
                base.add_metric(labels, weight.base)
                reason.add_metric([*labels, weight.reason], 1)
        for key, part in each.outcome.spills.items():
            spill.add_metric([each.namespace, key.policy, key.route], part)
    yield from (effective, base, reason, mode, spill)


def _backends(seen: Sequence[Seen], now: float) -> Iterator[Metric]:
    families = [(gauge, _gauge(f"signalbox_backend_{gauge.name}", gauge.text, _BACKEND)) for gauge in _LOADS]
    for each in seen:
        for name, load in each.outcome.loads.items():
            for gauge, family in families:
                value = gauge.value(load, now)
                if value is not None:
                    family.add_metric([each.namespace, name], value)
    yield from (family for _, family in families)


def _problems(seen: Sequence[Seen]) -> Metric:
    text = "Endpoints whose engine could not be read at the last look, by the kind of error."
    family = _gauge("signalbox_backend_unreadable_endpoints", text, (*_BACKEND, "error"))
    for each in seen:
        for backend, problems in each.problems.items():
            kinds = list(problems.values())
            for kind in sorted(set(kinds)):
                family.add_metric([each.namespace, backend, kind], kinds.count(kind))
    return family


def _wanted(each: Seen, known: Mapping[str, float]) -> Mapping[str, Demand]:
    if each.answered is None:
        return {}
    return demand(each.plan, each.outcome.loads, known, each.answered, each.shed)


def _gauge(name: str, text: str, labels: Iterable[str]) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, labels=tuple(labels))


def _histogram(name: str, text: str, buckets: tuple[float, ...], registry: CollectorRegistry) -> Histogram:
    return Histogram(name, text, buckets=buckets, registry=registry)
