"""Sums over all workers. What a worker counted stays when it dies, so that no counter goes back."""

from collections import Counter
from collections.abc import Iterable

from signalbox.control.messages import MAX_WAYS, Sent, Traffic, Ways
from signalbox.router.telemetry.classifications import Classifications
from signalbox.router.telemetry.snapshot import Count, EndpointGauge, RouteCount, SeriesLabels, SeriesSnapshot, Snapshot

Pairs = dict[tuple[str, str], int]
Fours = dict[tuple[str, str, str, str], int]
# What a client got that is no fault of its own.
BUSY, LEAST_ERROR = 429, 500

_TOLD = {"success": "completed", "failure": "failures", "busy": "busy"}


class _Counters:
    """The counters of one worker, or the sum of several."""

    def __init__(self) -> None:
        self.series: dict[SeriesLabels, SeriesSnapshot] = {}
        self.attempts: Pairs = {}
        self.rejected: Pairs = {}
        self.condition_errors: Pairs = {}
        self.ejections: Pairs = {}
        self.starts: Pairs = {}
        self.shed: Pairs = {}
        self.calls: Fours = {}
        self.chains: Fours = {}
        self.classifiers = Classifications()
        self.connections_total = 0
        self.log_lines_dropped = 0

    def update(self, snapshot: Snapshot) -> None:
        """Take over absolute values."""
        for series in snapshot.series:
            self.series[series.labels] = series
        for pairs, counts in (
            (self.attempts, snapshot.attempts),
            (self.rejected, snapshot.rejected),
            (self.condition_errors, snapshot.condition_errors),
            (self.ejections, snapshot.ejections),
            (self.starts, snapshot.starts),
            (self.shed, snapshot.shed),
        ):
            pairs.update({(count.first, count.second): count.value for count in counts})
        for fours, found in ((self.calls, snapshot.calls), (self.chains, snapshot.chains)):
            fours.update({(each.policy, each.route, each.target, each.word): each.value for each in found})
        self.classifiers.replace(snapshot.classifiers)
        self.connections_total = snapshot.connections_total
        self.log_lines_dropped = snapshot.log_lines_dropped

    def add(self, other: "_Counters") -> None:
        """Add another worker's. The other one is left as it is."""
        for labels, series in other.series.items():
            mine = self.series.get(labels)
            if mine is None:
                mine = self.series[labels] = SeriesSnapshot.empty(labels)
            mine.add(series)
        for pairs, theirs in (
            (self.attempts, other.attempts),
            (self.rejected, other.rejected),
            (self.condition_errors, other.condition_errors),
            (self.ejections, other.ejections),
            (self.starts, other.starts),
            (self.shed, other.shed),
        ):
            for key, value in theirs.items():
                pairs[key] = pairs.get(key, 0) + value
        for fours, others in ((self.calls, other.calls), (self.chains, other.chains)):
            for way, value in others.items():
                fours[way] = fours.get(way, 0) + value
        self.classifiers.add(other.classifiers.values())
        self.connections_total += other.connections_total
        self.log_lines_dropped += other.log_lines_dropped


class Totals:
    """Gathers the reports of workers and sums them."""

    def __init__(self) -> None:
        self._retired = _Counters()
        self._living: dict[int, _Counters] = {}
        self._gauges: dict[int, Snapshot] = {}

    def update(self, process: int, snapshot: Snapshot) -> None:
        """Take a report of a worker process (any number that is unique to it)."""
        self._living.setdefault(process, _Counters()).update(snapshot)
        self._gauges[process] = snapshot

    def retire(self, process: int) -> None:
        """A worker process has ended: its counters stay, its gauges go."""
        counters = self._living.pop(process, None)
        self._gauges.pop(process, None)
        if counters is not None:
            self._retired.add(counters)

    def snapshot(self) -> Snapshot:
        """The sums."""
        counters = _Counters()
        counters.add(self._retired)
        for living in self._living.values():
            counters.add(living)
        return Snapshot(
            series=list(counters.series.values()),
            attempts=_counts(counters.attempts),
            rejected=_counts(counters.rejected),
            condition_errors=_counts(counters.condition_errors),
            ejections=_counts(counters.ejections),
            starts=_counts(counters.starts),
            shed=_counts(counters.shed),
            calls=_route_counts(counters.calls),
            chains=_route_counts(counters.chains),
            classifiers=counters.classifiers.values(),
            endpoints=_endpoints(self._gauges.values()),
            connections=sum(snapshot.connections for snapshot in self._gauges.values()),
            connections_total=counters.connections_total,
            waiting=sum(snapshot.waiting for snapshot in self._gauges.values()),
            log_lines_dropped=counters.log_lines_dropped,
        )

    def traffic(self, backends: Iterable[str]) -> dict[str, Traffic]:
        """The sums of these backends, without the cost of a snapshot: it is asked for every second.

        A counter outlives its backend, and a backend may have none yet.
        """
        sums: dict[str, Counter[str]] = {name: Counter() for name in backends}
        waited = dict.fromkeys(sums, 0.0)  # rounded as a whole: parts of workers that end are summed before
        for counters in (self._retired, *self._living.values()):
            # An endpoint that was taken away may still answer; its gauge has gone, but what began has not ended. What a
            # worker had in flight died with it.
            living = counters is not self._retired
            for (backend, _), count in counters.starts.items():
                if (of := sums.get(backend)) is not None:
                    of["started"] += count
                    of["in_flight"] += count * living
            for (backend, _), count in counters.shed.items():
                if (of := sums.get(backend)) is not None:
                    of["shed"] += count
            for (backend, outcome), count in counters.attempts.items():
                if (of := sums.get(backend)) is None:
                    continue
                of["requests"] += count
                of["in_flight"] -= count * living
                if outcome in _TOLD:
                    of[_TOLD[outcome]] += count
            for labels, series in counters.series.items():
                if (of := sums.get(labels.backend)) is None:
                    continue
                of["input_tokens"] += round(series.input_tokens.sum)
                of["output_tokens"] += round(series.output_tokens.sum)
                of["first_tokens"] += sum(series.ttft.buckets)
                waited[labels.backend] += series.ttft.sum
                of["cached_tokens"] += series.cached_tokens
        causes: dict[str, set[str]] = {}
        for gauge in _endpoints(self._gauges.values()):
            if (of := sums.get(gauge.backend)) is None:
                continue
            of["known"] += 1
            of["usable"] += not gauge.out_for
            if gauge.out_for:
                causes.setdefault(gauge.backend, set()).add(gauge.out_for)
        return {
            name: Traffic(**of, first_token_ms=round(1000 * waited[name]), causes=tuple(sorted(causes.get(name, ()))))
            for name, of in sums.items()
        }

    def sent(self) -> Ways:
        """What each target of a route had to answer; of very many, those that were first."""
        sums: dict[tuple[str, str, str], list[int]] = {}
        for counters in (self._retired, *self._living.values()):
            for of, series in counters.series.items():
                way = of.policy, of.route, of.target
                if way not in sums and len(sums) >= MAX_WAYS:
                    continue
                pair = sums.setdefault(way, [0, 0])
                pair[0] += sum(series.statuses.values())
                pair[1] += sum(n for status, n in series.statuses.items() if status == BUSY or status >= LEAST_ERROR)
        ways: Ways = {}
        for (policy, route, target), (requests, failed) in sums.items():
            ways.setdefault(policy, {}).setdefault(route, {})[target] = Sent(requests=requests, failed=failed)
        return ways


def _route_counts(fours: Fours) -> list[RouteCount]:
    return [RouteCount(*way, value) for way, value in sorted(fours.items())]


def _counts(pairs: Pairs) -> list[Count]:
    return [Count(first, second, value) for (first, second), value in sorted(pairs.items())]


def _endpoints(snapshots: Iterable[Snapshot]) -> list[EndpointGauge]:
    merged: dict[tuple[str, str], EndpointGauge] = {}
    for snapshot in snapshots:
        for gauge in snapshot.endpoints:
            key = (gauge.backend, gauge.endpoint)
            other = merged.get(key)
            if other is None:
                merged[key] = gauge
            else:
                out_for = gauge.out_for and other.out_for  # for all workers, or not at all
                in_flight, usable = other.in_flight + gauge.in_flight, other.usable or gauge.usable
                merged[key] = EndpointGauge(*key, in_flight, usable, out_for)
    return [merged[key] for key in sorted(merged)]
