"""What a worker says of its counters: absolute values, so that losing one snapshot loses nothing."""

import msgspec

from signalbox.router.telemetry.classifications import Classifier

# Boundaries that OpenTelemetry's semantic conventions for generative AI recommend for each histogram.
DURATION_BOUNDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TTFT_BOUNDS = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
TOKEN_BOUNDS = tuple(4**exponent for exponent in range(14))


class Histogram(msgspec.Struct, array_like=True):
    """A sum and counts of each bucket (not cumulative; one more than there are bounds)."""

    sum: float
    buckets: list[int]

    @classmethod
    def empty(cls, bounds: tuple[float, ...]) -> "Histogram":
        """No observation yet."""
        return cls(0.0, [0] * (len(bounds) + 1))

    def add(self, other: "Histogram") -> None:
        """Add the observations of another one with the same bounds."""
        self.sum += other.sum
        self.buckets = [mine + theirs for mine, theirs in zip(self.buckets, other.buckets, strict=True)]


class SeriesLabels(msgspec.Struct, frozen=True, array_like=True):
    """What a finished request is told apart by. ``model`` is a name of the policy's, never free text of a client."""

    policy: str
    route: str
    target: str
    backend: str
    model: str
    operation: str


class SeriesSnapshot(msgspec.Struct, array_like=True):
    """Absolute values of one series. ``durations`` go by the status of a failed request, 0 for all that succeeded."""

    labels: SeriesLabels
    statuses: dict[int, int]
    durations: dict[int, Histogram]
    ttft: Histogram
    input_tokens: Histogram
    output_tokens: Histogram
    cached_tokens: int
    cost_picos: int
    retries: int

    @classmethod
    def empty(cls, labels: SeriesLabels) -> "SeriesSnapshot":
        """Nothing counted yet."""
        nothing = Histogram.empty
        return cls(labels, {}, {}, nothing(TTFT_BOUNDS), nothing(TOKEN_BOUNDS), nothing(TOKEN_BOUNDS), 0, 0, 0)

    def add(self, other: "SeriesSnapshot") -> None:
        """Add another worker's values of the same series."""
        for status, count in other.statuses.items():
            self.statuses[status] = self.statuses.get(status, 0) + count
        for status, histogram in other.durations.items():
            self.durations.setdefault(status, Histogram.empty(DURATION_BOUNDS)).add(histogram)
        self.ttft.add(other.ttft)
        self.input_tokens.add(other.input_tokens)
        self.output_tokens.add(other.output_tokens)
        self.cached_tokens += other.cached_tokens
        self.cost_picos += other.cost_picos
        self.retries += other.retries


class EndpointGauge(msgspec.Struct, array_like=True, frozen=True):
    """The state of one endpoint as one worker sees it.

    ``usable``: a request may go there now. ``out_for``: why it is ejected, or "". Between the two is one that waits for
    a probe to show whether it is well again.
    """

    backend: str
    endpoint: str
    in_flight: int
    usable: bool
    out_for: str = ""


class Count(msgspec.Struct, array_like=True, frozen=True):
    """How often something happened, told apart by two names."""

    first: str
    second: str
    value: int


class RouteCount(msgspec.Struct, array_like=True, frozen=True):
    """How often something came so for a target of a route."""

    policy: str
    route: str
    target: str
    word: str
    value: int


class Snapshot(msgspec.Struct, kw_only=True, omit_defaults=True):
    """All counters and gauges of one worker; ``series`` may hold only those that changed since the last snapshot.

    ``starts`` are attempts that have begun, by backend: less those that have ended (``attempts``), they are in flight.
    ``shed`` requests would have gone to a backend and were turned away for want of room there.
    """

    series: list[SeriesSnapshot] = []
    attempts: list[Count] = []
    rejected: list[Count] = []
    condition_errors: list[Count] = []
    ejections: list[Count] = []
    starts: list[Count] = []
    shed: list[Count] = []
    calls: list[RouteCount] = []
    chains: list[RouteCount] = []
    classifiers: list[Classifier] = []
    endpoints: list[EndpointGauge] = []
    connections: int = 0
    connections_total: int = 0
    waiting: int = 0
    log_lines_dropped: int = 0
