"""What a worker counts. On the hot path there are plain lists and integers only; names and sums come later.

Counters never go back within a worker. A snapshot carries absolute values, so that losing one loses nothing.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable

from signalbox.router.telemetry.classifications import Classifications
from signalbox.router.telemetry.snapshot import (
    DURATION_BOUNDS,
    TOKEN_BOUNDS,
    TTFT_BOUNDS,
    Count,
    EndpointGauge,
    Histogram,
    RouteCount,
    SeriesLabels,
    SeriesSnapshot,
    Snapshot,
)

MAX_SERIES = 10_000
OTHER = "_other"
# A snapshot holds integers of 64 bits; prices and counts come from outside, and their sum must not be what ends it.
MOST = 2**63 - 1


class Series:
    """Counters of the requests that went one way. Hold on to it: making or finding one is the slow part."""

    __slots__ = (
        "_cached",
        "_cost",
        "_duration_buckets",
        "_duration_sum",
        "_errors",
        "_input",
        "_input_sum",
        "_output",
        "_output_sum",
        "_retries",
        "_statuses",
        "_ttft",
        "_ttft_sum",
        "changed",
        "labels",
    )

    def __init__(self, labels: SeriesLabels) -> None:
        self.labels = labels
        self.changed = False
        self._statuses: dict[int, int] = {}
        self._duration_buckets = [0] * (len(DURATION_BOUNDS) + 1)
        self._duration_sum = 0.0
        self._errors: dict[int, Histogram] = {}
        self._ttft = [0] * (len(TTFT_BOUNDS) + 1)
        self._ttft_sum = 0.0
        self._input = [0] * (len(TOKEN_BOUNDS) + 1)
        self._input_sum = 0
        self._output = [0] * (len(TOKEN_BOUNDS) + 1)
        self._output_sum = 0
        self._cached = 0
        self._cost = 0
        self._retries = 0

    def finished(
        self,
        status: int,
        duration_s: float,
        ttft_s: float | None = None,
        input_tokens: int = 0,
        cached_tokens: int = 0,
        output_tokens: int = 0,
        cost_picos: int = 0,
        tries: int = 1,
    ) -> None:
        """Count a request that has ended. Tokens of 0 mean that the upstream reported none."""
        self.changed = True
        self._statuses[status] = self._statuses.get(status, 0) + 1
        if status < 400:
            self._duration_buckets[bisect_left(DURATION_BOUNDS, duration_s)] += 1
            self._duration_sum += duration_s
        else:
            histogram = self._errors.get(status)
            if histogram is None:
                histogram = self._errors[status] = Histogram.empty(DURATION_BOUNDS)
            histogram.buckets[bisect_left(DURATION_BOUNDS, duration_s)] += 1
            histogram.sum += duration_s
        if ttft_s is not None:
            self._ttft[bisect_left(TTFT_BOUNDS, ttft_s)] += 1
            self._ttft_sum += ttft_s
        if input_tokens:
            self._input[bisect_left(TOKEN_BOUNDS, input_tokens)] += 1
            self._input_sum += input_tokens
            self._cached += cached_tokens
        if output_tokens:
            self._output[bisect_left(TOKEN_BOUNDS, output_tokens)] += 1
            self._output_sum += output_tokens
        self._cost += cost_picos
        self._retries += tries - 1 if tries > 1 else 0

    def spent(self, input_tokens: int, cached_tokens: int, output_tokens: int, cost_picos: int, tries: int) -> None:
        """Count what a call of the router's own used; the request on whose behalf it was is counted by itself."""
        self.changed = True
        if input_tokens:
            self._input[bisect_left(TOKEN_BOUNDS, input_tokens)] += 1
            self._input_sum += input_tokens
            self._cached += cached_tokens
        if output_tokens:
            self._output[bisect_left(TOKEN_BOUNDS, output_tokens)] += 1
            self._output_sum += output_tokens
        self._cost += cost_picos
        self._retries += tries - 1 if tries > 1 else 0

    def snapshot(self) -> SeriesSnapshot:
        """The values so far."""
        durations = {status: Histogram(h.sum, list(h.buckets)) for status, h in self._errors.items()}
        if any(self._duration_buckets):
            durations[0] = Histogram(self._duration_sum, list(self._duration_buckets))
        return SeriesSnapshot(
            self.labels,
            dict(self._statuses),
            durations,
            Histogram(self._ttft_sum, list(self._ttft)),
            Histogram(self._input_sum, list(self._input)),
            Histogram(self._output_sum, list(self._output)),
            self._cached,
            min(self._cost, MOST),
            self._retries,
        )


def _no_endpoints() -> Iterable[EndpointGauge]:
    return ()


class Statistics:
    """All counters of one worker.

    ``connections`` is the number of open client connections, kept by the proxy. ``in_flight`` is called for each
    snapshot and gives the gauges of the endpoints, ``waiting`` the number of requests that wait for a turn.
    """

    def __init__(self) -> None:
        self._series: dict[SeriesLabels, Series] = {}
        self._attempts: Counter[tuple[str, str]] = Counter()
        self._starts: Counter[str] = Counter()
        self._shed: Counter[str] = Counter()
        self._rejected: Counter[tuple[str, str]] = Counter()
        self._condition_errors: Counter[tuple[str, str]] = Counter()
        self._ejections: Counter[tuple[str, str]] = Counter()
        self._classifications = Classifications()
        self.classified = self._classifications.count
        self._calls: Counter[tuple[str, str, str, str]] = Counter()
        self._chains: Counter[tuple[str, str, str, str]] = Counter()
        self.connections = 0
        self.connections_total = 0
        self.in_flight: Callable[[], Iterable[EndpointGauge]] = _no_endpoints
        self.waiting: Callable[[], int] = int
        self.log_lines_dropped: Callable[[], int] = int

    def series(self, policy: str, route: str, target: str, backend: str, model: str, operation: str) -> Series:
        """The counters of one way through the router. Beyond 10,000 ways, routes and models share one series."""
        labels = SeriesLabels(policy, route, target, backend, model, operation)
        series = self._series.get(labels)
        if series is None:
            if len(self._series) >= MAX_SERIES:
                labels = SeriesLabels(policy, OTHER, target, backend, OTHER, operation)
            series = self._series.setdefault(labels, Series(labels))
        return series

    def started(self, backend: str) -> None:
        """A try at a backend begins."""
        self._starts[backend] += 1

    def turned_away(self, backend: str) -> None:
        """A request that would have gone to a backend finds no room."""
        self._shed[backend] += 1

    def attempt(self, backend: str, outcome: str) -> None:
        """One try at a backend has ended with an outcome (a small, fixed set of words)."""
        self._attempts[backend, outcome] += 1

    def called(self, policy: str, route: str, target: str, outcome: str) -> None:
        """A call of the router's own on behalf of a request has ended (the outcome is of a small, fixed set)."""
        self._calls[policy, route, target, outcome] += 1

    def chosen(self, policy: str, route: str, target: str, how: str) -> None:
        """A chain has an answer, or who gives it (``how`` is of a small, fixed set)."""
        self._chains[policy, route, target, how] += 1

    def rejected(self, policy: str, code: str) -> None:
        """A request was answered by the router itself. ``policy`` is "" when none was found."""
        self._rejected[policy, code] += 1

    def condition_error(self, policy: str, route: str) -> None:
        """A condition could not be evaluated and counted as not matching."""
        self._condition_errors[policy, route] += 1

    def ejection(self, backend: str, cause: str) -> None:
        """An endpoint of a backend was taken out."""
        self._ejections[backend, cause] += 1

    def snapshot(self, changed_only: bool = False) -> Snapshot:
        """All values; with ``changed_only``, of the series only those that moved since the last snapshot."""
        series = [entry for entry in self._series.values() if entry.changed or not changed_only]
        for entry in series:
            entry.changed = False
        return Snapshot(
            series=[entry.snapshot() for entry in series],
            attempts=_counts(self._attempts),
            rejected=_counts(self._rejected),
            condition_errors=_counts(self._condition_errors),
            ejections=_counts(self._ejections),
            classifiers=self._classifications.values(),
            starts=[Count(backend, "", value) for backend, value in self._starts.items()],
            shed=[Count(backend, "", value) for backend, value in self._shed.items()],
            calls=[RouteCount(*labels, value) for labels, value in self._calls.items()],
            chains=[RouteCount(*labels, value) for labels, value in self._chains.items()],
            endpoints=list(self.in_flight()),
            connections=self.connections,
            connections_total=self.connections_total,
            waiting=self.waiting(),
            log_lines_dropped=self.log_lines_dropped(),
        )


def _counts(counter: Counter[tuple[str, str]]) -> list[Count]:
    return [Count(first, second, value) for (first, second), value in counter.items()]
