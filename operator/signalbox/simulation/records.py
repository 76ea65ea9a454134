"""What is noted while a simulation runs, and the figures that follow from it."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from signalbox.feedback import law
from signalbox.feedback.plan import SetKey
from signalbox.simulation.jobs import Job
from signalbox.simulation.scenario import Scenario


class Steadiness(NamedTuple):
    """Of weights: the coefficient of variation, as a mean over targets by weight and of the target where it is largest;
    and the lag-1 autocorrelation of their changes (negative: they swing)."""

    variation: float
    worst: float
    autocorrelation: float


class Records:
    """Latencies in order of arrival's end, weights at each step, requests in each backend every ``every`` seconds.
    ``cached`` is the part of all prompt tokens that an engine had not to compute again."""

    def __init__(self, scenario: Scenario, every: float) -> None:
        self.scenario = scenario
        self.every = every
        self.arrived: list[float] = []
        self.latencies: list[float] = []
        self.places: list[int] = []
        self.shed = self.failed = 0
        self.looks: list[tuple[float, list[int]]] = []
        self.weights: dict[SetKey, list[tuple[float, dict[str, float]]]] = {}
        self.last: law.Outcome | None = None
        self.seconds = self.cached = 0.0
        self.worked: list[list[float]] = []

    @property
    def begin(self) -> float:
        """Seconds from which on figures count, where none is said: a short run is not skipped as a whole."""
        return min(self.scenario.skip, 0.1 * self.scenario.duration)

    def ended(self, job: Job) -> None:
        """A request ended."""
        if job.outcome == "Done":
            self.arrived.append(job.arrived)
            self.latencies.append(job.latency)
            self.places.append(job.place)
        elif job.outcome == "Shed":
            self.shed += 1
        else:
            self.failed += 1

    def weighed(self, now: float, outcome: law.Outcome) -> None:
        """Weights came into force. The last ones are those while requests still arrived."""
        if self.last is None or now <= self.scenario.duration:
            self.last = outcome
        for key, weights in outcome.weights.items():
            self.weights.setdefault(key, []).append((now, {w.target: w.effective for w in weights}))

    def look(self, now: float, in_system: list[int]) -> None:
        """How many requests are where."""
        self.looks.append((now, in_system))

    def close(self, now: float, worked: list[list[float]]) -> None:
        """The end."""
        self.seconds = now
        self.worked = worked

    def quantile(self, q: float, skip: float | None = None, until: float = float("inf")) -> float:
        """Of the latencies of requests that arrived after ``skip`` seconds."""
        start = self.begin if skip is None else skip
        found = sorted(latency for at, latency in zip(self.arrived, self.latencies, strict=True) if start <= at < until)
        return quantile(found, q)

    def utilization(self) -> dict[str, float]:
        """What each backend did, to the last request, as a part of what it could have done, at first, while requests
        arrived."""
        seconds = max(self.scenario.duration, 1e-9)
        return {
            each.name: min(1.0, sum(worked) / (each.rate * seconds))
            for each, worked in zip(self.scenario.backends, self.worked, strict=True)
        }

    def over_time(self, q: float, bins: int) -> list[tuple[float, float]]:
        """A quantile of the latencies by time of arrival: the middle of each span, and the value."""
        span = self.scenario.duration / bins
        found: list[list[float]] = [[] for _ in range(bins)]
        for at, latency in zip(self.arrived, self.latencies, strict=True):
            found[min(bins - 1, int(at / span))].append(latency)
        return [((n + 0.5) * span, quantile(sorted(each), q)) for n, each in enumerate(found) if each]

    def shares(self, skip: float | None = None) -> dict[str, float]:
        """Which part of the requests each backend served."""
        start = self.begin if skip is None else skip
        counts = [0] * len(self.scenario.backends)
        for at, place in zip(self.arrived, self.places, strict=True):
            if at >= start:
                counts[place] += 1
        total = sum(counts) or 1
        return {each.name: count / total for each, count in zip(self.scenario.backends, counts, strict=True)}

    def steadiness(self, key: SetKey) -> Steadiness:
        """Of the weights after ``skip``. Raises ``ValueError`` for fewer than ten steps."""
        found = [weights for at, weights in self.weights.get(key, []) if self.begin <= at <= self.scenario.duration]
        if len(found) < 10:
            raise ValueError("ten steps at least say how steady weights are")
        variation = worst = products = squares = 0.0
        for name in found[0]:
            series = [weights.get(name, 0.0) for weights in found]
            mean = sum(series) / len(series)
            if mean <= 0.0:
                continue
            deviation = (sum((x - mean) ** 2 for x in series) / len(series)) ** 0.5
            variation += deviation
            worst = max(worst, deviation / mean)
            moves = [b - a for a, b in pairwise(series)]
            products += sum(a * b for a, b in pairwise(moves))
            squares += sum(a * a for a in moves)
        return Steadiness(variation, worst, products / squares if squares else 0.0)


def quantile(ordered: Sequence[float], q: float) -> float:
    """Of ascending values, linear between neighbours; NaN of none."""
    if not ordered:
        return float("nan")
    place = q * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])
