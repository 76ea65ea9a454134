"""Counters of a worker and their sums over workers."""

import msgspec

from signalbox.control.messages import MAX_WAYS, Sent, Traffic
from signalbox.router.telemetry.snapshot import (
    DURATION_BOUNDS,
    TOKEN_BOUNDS,
    TTFT_BOUNDS,
    EndpointGauge,
    SeriesLabels,
    Snapshot,
)
from signalbox.router.telemetry.statistics import MAX_SERIES, OTHER, Statistics
from signalbox.router.telemetry.totals import Totals

LABELS = SeriesLabels("p", "r", "t", "b", "m", "chat")


def counted(times: int = 1) -> Statistics:
    statistics = Statistics()
    series = statistics.series("p", "r", "t", "b", "m", "chat")
    for _ in range(times):
        series.finished(200, 0.3, 0.05, 100, 40, 20, 5, 3)
    series.finished(504, 90.0, None)
    statistics.attempt("b", "success")
    statistics.rejected("", "unknown_model")
    statistics.condition_error("p", "r")
    statistics.ejection("b", "connect")
    statistics.connections = 2
    statistics.connections_total = 7
    statistics.waiting = lambda: 3
    statistics.in_flight = lambda: (EndpointGauge("b", "10.0.0.1:80", 3, True),)
    return statistics


def test_finished_requests_land_in_their_buckets() -> None:
    (series,) = counted(2).snapshot().series
    assert series.labels == LABELS
    assert series.statuses == {200: 2, 504: 1}
    assert series.durations[0].buckets[DURATION_BOUNDS.index(0.32)] == 2
    assert series.durations[504].buckets[-1] == 1
    assert series.durations[504].sum == 90.0
    assert series.ttft.buckets[TTFT_BOUNDS.index(0.06)] == 2
    assert series.input_tokens.buckets[TOKEN_BOUNDS.index(256)] == 2
    assert series.output_tokens.sum == 40
    assert (series.cached_tokens, series.cost_picos, series.retries) == (80, 10, 4)


def test_bounds_are_inclusive() -> None:
    statistics = Statistics()
    statistics.series("p", "r", "t", "b", "m", "chat").finished(200, 0.32, 0.0, 4, 0, 5)
    (series,) = statistics.snapshot().series
    assert series.durations[0].buckets[DURATION_BOUNDS.index(0.32)] == 1
    assert series.ttft.buckets[0] == 1
    assert series.input_tokens.buckets[TOKEN_BOUNDS.index(4)] == 1
    assert series.output_tokens.buckets[TOKEN_BOUNDS.index(16)] == 1


def test_unreported_tokens_are_no_observation() -> None:
    statistics = Statistics()
    statistics.series("p", "r", "t", "b", "m", "chat").finished(200, 0.1)
    (series,) = statistics.snapshot().series
    assert sum(series.input_tokens.buckets) == sum(series.output_tokens.buckets) == sum(series.ttft.buckets) == 0


def test_same_way_same_series_and_changed_only() -> None:
    statistics = counted()
    assert statistics.series("p", "r", "t", "b", "m", "chat") is statistics.series("p", "r", "t", "b", "m", "chat")
    assert len(statistics.snapshot(changed_only=True).series) == 1
    assert statistics.snapshot(changed_only=True).series == []
    assert len(statistics.snapshot().series) == 1


def test_number_of_series_is_bounded() -> None:
    statistics = Statistics()
    for number in range(MAX_SERIES):
        statistics.series("p", f"r{number}", "t", "b", "m", "chat")
    assert statistics.series("p", "one more", "t", "b", "m", "chat").labels.route == OTHER
    assert statistics.series("p", "another", "t", "b", "x", "chat").labels.model == OTHER
    assert statistics.series("p", "r1", "t", "b", "m", "chat").labels.route == "r1"


def test_snapshot_travels() -> None:
    snapshot = counted().snapshot()
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(snapshot), type=Snapshot) == snapshot


def test_a_sum_that_no_message_holds_does_not_end_the_messages() -> None:
    statistics = counted()
    statistics.series("p", "r", "t", "b", "m", "chat").finished(200, 0.3, cost_picos=2**70)
    sent = msgspec.msgpack.decode(msgspec.msgpack.encode(statistics.snapshot()), type=Snapshot)
    assert sent.series[0].cost_picos == 2**63 - 1


def test_totals_sum_workers_and_never_go_back() -> None:
    totals = Totals()
    totals.update(1, counted(1).snapshot())
    totals.update(2, counted(2).snapshot())
    both = totals.snapshot()
    assert both.series[0].statuses == {200: 3, 504: 2}
    assert (both.connections, both.connections_total, both.waiting) == (4, 14, 6)
    assert both.endpoints == [EndpointGauge("b", "10.0.0.1:80", 6, True)]

    totals.retire(2)
    after = totals.snapshot()
    assert after.series == both.series
    assert after.attempts == both.attempts
    assert after.rejected == both.rejected
    assert (after.connections, after.connections_total, after.waiting) == (2, 14, 3)
    assert after.endpoints == [EndpointGauge("b", "10.0.0.1:80", 3, True)]

    totals.update(3, counted(1).snapshot())
    assert totals.snapshot().series[0].statuses == {200: 4, 504: 3}
    totals.retire(3)
    totals.retire(3)
    assert totals.snapshot().series[0].statuses == {200: 4, 504: 3}


def test_totals_replace_what_a_worker_said_before() -> None:
    totals = Totals()
    statistics = counted(1)
    totals.update(1, statistics.snapshot(changed_only=True))
    totals.update(1, statistics.snapshot(changed_only=True))
    statistics.series("p", "r", "t", "b", "m", "chat").finished(200, 0.1)
    totals.update(1, statistics.snapshot(changed_only=True))
    assert totals.snapshot().series[0].statuses == {200: 2, 504: 1}
    assert [count.value for count in totals.snapshot().attempts] == [1]


def test_traffic_is_summed_by_backend_over_all_workers() -> None:
    totals = Totals()
    out = EndpointGauge("b", "10.0.0.1:80", 1, False, "connect")
    for process, gauges in ((1, [out]), (2, [out, EndpointGauge("b", "10.0.0.2:80", 2, True)])):
        statistics = Statistics()
        statistics.in_flight = lambda gauges=gauges: gauges
        for outcome in ("success", "failure", "busy", "abandoned"):
            statistics.started("b")
            statistics.attempt("b", outcome)
        statistics.started("b")
        statistics.series("p", "r", "t", "b", "m", "chat").finished(200, 1.0, 0.5, 10, 4, 5)
        totals.update(process, statistics.snapshot())
    one = Traffic(known=2, usable=1, causes=("connect",), in_flight=2, requests=8, failures=2)
    one = msgspec.structs.replace(one, started=10, completed=2, busy=2)
    one = msgspec.structs.replace(one, input_tokens=20, cached_tokens=8, output_tokens=10)
    one = msgspec.structs.replace(one, first_tokens=2, first_token_ms=1000)
    assert totals.traffic(["b", "idle"]) == {"b": one, "idle": Traffic()}
    assert totals.traffic([]) == {}
    # Where one of the workers reaches it, the endpoint is usable.
    statistics = Statistics()
    statistics.in_flight = lambda: (EndpointGauge("b", "10.0.0.1:80", 0, True),)
    totals.update(1, statistics.snapshot())
    assert totals.traffic(["b"])["b"].usable == 2
    totals.retire(2)
    # What the dead one had in flight died with it.
    one = msgspec.structs.replace(one, known=1, usable=1, causes=(), in_flight=1)
    assert totals.traffic(["b"]) == {"b": one}


def test_traffic_does_not_go_back_when_workers_end() -> None:
    totals = Totals()
    for process in (1, 2):
        statistics = Statistics()
        statistics.series("p", "r", "t", "b", "m", "chat").finished(200, 1.0, 0.0006)
        totals.update(process, statistics.snapshot())
    before = totals.traffic(["b"])["b"].first_token_ms
    totals.retire(1)
    totals.retire(2)
    assert totals.traffic(["b"])["b"].first_token_ms == before == 1


def test_what_targets_had_to_answer_is_summed_over_models_and_workers() -> None:
    totals = Totals()
    for process in (1, 2):
        statistics = Statistics()
        for model, status in (("m", 200), ("n", 200), ("m", 400), ("m", 429), ("n", 502)):
            statistics.series("p", "r", "t", "b", model, "chat").finished(status, 1.0)
        statistics.series("p", "r", "u", "c", "m", "chat").finished(200, 1.0)
        totals.update(process, statistics.snapshot())
    totals.retire(2)
    assert totals.sent() == {"p": {"r": {"t": Sent(requests=10, failed=4), "u": Sent(requests=2)}}}


def test_of_very_many_targets_a_bounded_number_is_told() -> None:
    totals, statistics = Totals(), Statistics()
    for number in range(MAX_WAYS + 1):
        statistics.series("p", f"r{number}", "t", "b", "m", "chat").finished(200, 1.0)
    totals.update(1, statistics.snapshot())
    assert len(totals.sent()["p"]) == MAX_WAYS
