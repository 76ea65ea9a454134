"""The operator's own metrics. Nothing in them is a tenant's; no label has more values than there are kinds, but for
those of the loop, which are of resources."""

import asyncio
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from signalbox.controller.reconciling.queue import Queue
from signalbox.controller.watching.listings import Listings
from signalbox.kube.errors import ApiError

PREFIX = "signalbox_operator"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_REASONS = {
    0: "Unreachable",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Gone",
    422: "Invalid",
    429: "TooManyRequests",
}
_WRITES = frozenset({"create", "apply", "patch", "replace", "delete"})


class Metrics:
    """Counts what it is told; the rest is read when somebody asks."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._loop: Collector | None = None
        ProcessCollector(registry=self.registry)
        self._reconciles = Counter(
            f"{PREFIX}_reconciles", "Reconciles of a namespace that have ended.", ["result"], registry=self.registry
        )
        self._seconds = Histogram(
            f"{PREFIX}_reconcile_duration_seconds", "How long they took.", buckets=_BUCKETS, registry=self.registry
        )
        self._errors = Counter(
            f"{PREFIX}_reconcile_errors", "Reconciles that failed, by why.", ["reason"], registry=self.registry
        )
        self._requests = Counter(
            f"{PREFIX}_api_requests",
            "Requests to the API server; status 0 is no answer. kopf's own are not among them.",
            ["verb", "resource", "status"],
            registry=self.registry,
        )
        self._writes = Counter(
            f"{PREFIX}_writes", "Requests among those that wrote something.", ["resource"], registry=self.registry
        )
        # From the beginning: what grows from nothing would not count as an increase.
        for result in ("success", "error"):
            self._reconciles.labels(result)
        for reason in ("Defect", "ServerError", "Refused", *_REASONS.values()):
            self._errors.labels(reason)

    def reconciled(self, seconds: float, error: Exception | None) -> None:
        """A reconcile has ended."""
        self._seconds.observe(seconds)
        self._reconciles.labels("success" if error is None else "error").inc()
        if error is not None:
            self._errors.labels(_reason(error)).inc()

    def requested(self, verb: str, resource: str, status: int) -> None:
        """The API server was asked."""
        self._requests.labels(verb, resource, str(status)).inc()
        if verb in _WRITES and 200 <= status < 300:
            self._writes.labels(resource).inc()

    def observe(
        self,
        queue: Queue,
        listings: Listings,
        leads: Callable[[], bool],
        expires: Callable[[], float | None] = lambda: None,
    ) -> None:
        """Show these, too. ``expires`` says when the certificate in use ends, in seconds since the epoch."""
        self.registry.register(_Observed(queue, listings, leads, expires))

    def steer(self, loop: Collector) -> None:
        """Show the feedback loop, too. It is asked in a thread: thousands of backends are tens of thousands of series,
        and nothing else is to wait for their text."""
        self._loop = loop

    async def text(self) -> bytes:
        """The exposition format."""
        own = generate_latest(self.registry)
        return own if self._loop is None else own + await asyncio.to_thread(generate_latest, self._loop)


class _Observed:
    def __init__(
        self, queue: Queue, listings: Listings, leads: Callable[[], bool], expires: Callable[[], float | None]
    ) -> None:
        self._queue, self._listings, self._leads, self._expires = queue, listings, leads, expires

    def collect(self) -> Iterable[Metric]:
        """One round."""
        leads = self._leads()
        depth, oldest = (self._queue.depth, self._queue.oldest()) if leads else (0, 0.0)  # else nobody takes from it
        yield GaugeMetricFamily(f"{PREFIX}_queue_depth", "Namespaces that wait.", depth)
        text = "Age of the oldest that waits or is worked on."
        yield GaugeMetricFamily(f"{PREFIX}_queue_oldest_seconds", text, oldest)
        yield GaugeMetricFamily(f"{PREFIX}_leader", "1 for the replica that acts.", int(leads))
        text = "When the certificate that is served ends; it is renewed a third of its life before."
        ends = GaugeMetricFamily(f"{PREFIX}_certificate_expiry_timestamp_seconds", text, labels=())
        if (expires := self._expires()) is not None:
            ends.add_metric([], expires)
        yield ends
        ages = GaugeMetricFamily(f"{PREFIX}_list_age_seconds", "Since each kind was listed.", labels=["resource"])
        for resource, age in self._listings.ages().items():
            ages.add_metric([resource.plural], age)
        yield ages
        text = "Lists of each kind that are missing, which keeps the replica from being ready."
        unknown = GaugeMetricFamily(f"{PREFIX}_lists_missing", text, labels=["resource"])
        for resource, number in self._listings.unknown().items():
            unknown.add_metric([resource.plural], number)
        yield unknown


def _reason(error: Exception) -> str:
    """One of few words: what a server says may be any."""
    if not isinstance(error, ApiError):
        return "Defect"
    return _REASONS.get(error.status, "ServerError" if error.status >= 500 else "Refused")
