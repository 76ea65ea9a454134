"""The text that Prometheus reads, parsed by Prometheus' own parser."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from signalbox.router.telemetry.metrics import Families
from signalbox.router.telemetry.process import Process, WorkerState
from signalbox.router.telemetry.snapshot import EndpointGauge, Snapshot
from signalbox.router.telemetry.statistics import Statistics

Values = dict[str, list[tuple[dict[str, str], float]]]


def rendered(snapshot: Snapshot, process: Process | None = None) -> Values:
    encode, _ = choose_encoder("text/plain")
    values: Values = {}
    for family in text_string_to_metric_families(encode(Families(snapshot, process or Process())).decode()):
        assert family.documentation
        for sample in family.samples:
            values.setdefault(sample.name, []).append((sample.labels, sample.value))
    return values


def snapshot() -> Snapshot:
    statistics = Statistics()
    for operation in ("chat", "responses", "completions", "embeddings"):
        series = statistics.series("p", "r", "t", "b", "auto", operation)
        series.finished(200, 0.3, 0.05, 100, 40, 20, 2_500_000_000_000, 2)
    statistics.series("p", "r", "t", "b", "auto", "chat").finished(502, 3.0)
    statistics.attempt("b", "busy")
    statistics.rejected("", "unknown_model")
    statistics.condition_error("p", "hard")
    statistics.ejection("b", "slow")
    statistics.waiting = lambda: 5
    statistics.in_flight = lambda: (EndpointGauge("b", "10.0.0.1:80", 3, True), EndpointGauge("b", "x:1", 1, False))
    return statistics.snapshot()


def test_gen_ai_metrics_follow_the_conventions() -> None:
    values = rendered(snapshot())
    common = {"gen_ai_provider_name": "openai", "gen_ai_request_model": "auto", "route": "r", "target": "t"}
    counts = values["gen_ai_client_operation_duration_seconds_count"]
    assert all(common.items() <= labels.items() for labels, _ in counts)
    assert {(la["gen_ai_operation_name"], la["openai_api_type"], la["error_type"]): value for la, value in counts} == {
        ("chat", "chat_completions", ""): 1,
        ("chat", "chat_completions", "502"): 1,
        ("chat", "responses", ""): 1,
        ("text_completion", "", ""): 1,
        ("embeddings", "", ""): 1,
    }
    buckets = {
        labels["le"]: value
        for labels, value in values["gen_ai_client_operation_duration_seconds_bucket"]
        if labels["gen_ai_operation_name"] == "embeddings"
    }
    assert (buckets["0.16"], buckets["0.32"], buckets["+Inf"]) == (0, 1, 1)
    tokens = {
        labels["gen_ai_token_type"]: value
        for labels, value in values["gen_ai_client_token_usage_sum"]
        if labels["gen_ai_operation_name"] == "embeddings"
    }
    assert tokens == {"input": 100, "output": 20}
    assert values["gen_ai_server_time_to_first_token_seconds_sum"][0][1] == 0.05


def test_own_metrics() -> None:
    process = Process(
        workers=(WorkerState(0, "serving", 30_000_000, 0.25), WorkerState(1, "down")),
        restarts=2,
        config_hash="abc",
        configs_applied=3,
        configs_rejected=1,
        changed_at=5.0,
    )
    values = rendered(snapshot(), process)
    way = {"policy": "p", "route": "r", "target": "t", "backend": "b", "model": "auto", "operation": "chat"}
    assert ({**way, "status": "502"}, 1.0) in values["signalbox_router_requests_total"]
    assert (way, 1.0) in values["signalbox_router_retries_total"]
    assert (way, 40.0) in values["signalbox_router_cached_input_tokens_total"]
    assert (way, 2.5) in values["signalbox_router_cost_total"]
    assert values["signalbox_router_attempts_total"] == [({"backend": "b", "outcome": "busy"}, 1.0)]
    assert values["signalbox_router_rejected_total"] == [({"policy": "", "code": "unknown_model"}, 1.0)]
    assert values["signalbox_router_condition_errors_total"] == [({"policy": "p", "route": "hard"}, 1.0)]
    assert values["signalbox_router_ejections_total"] == [({"backend": "b", "cause": "slow"}, 1.0)]
    assert values["signalbox_router_in_flight"] == [({"backend": "b"}, 4.0)]
    assert values["signalbox_router_waiting_requests"] == [({}, 5.0)]
    assert values["signalbox_router_usable_endpoints"] == [({"backend": "b"}, 1.0)]
    assert values["signalbox_router_config_info"] == [({"config_hash": "abc"}, 1.0)]
    assert ({"result": "rejected"}, 1.0) in values["signalbox_router_config_changes_total"]
    assert ({"worker": "1", "state": "down"}, 1.0) in values["signalbox_router_worker_state"]
    assert ({"worker": "0"}, 30_000_000.0) in values["signalbox_router_worker_resident_memory_bytes"]
    assert values["signalbox_router_worker_restarts_total"] == [({}, 2.0)]
    assert "signalbox_router_certificate_expiry_timestamp_seconds" not in values
    ends = rendered(Snapshot(), Process(certificate_ends=1e9))["signalbox_router_certificate_expiry_timestamp_seconds"]
    assert ends == [({}, 1e9)]


def test_every_family_is_named_by_convention() -> None:
    names = [family.name for family in Families(snapshot(), Process()).collect()]
    assert len(names) == len(set(names))
    assert all(name.startswith(("gen_ai_", "signalbox_router_")) for name in names)


def test_openmetrics_on_request() -> None:
    encode, content_type = choose_encoder("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert encode(Families(snapshot(), Process())).endswith(b"# EOF\n")


def test_what_else_runs_in_the_process_is_shown() -> None:
    class Other(Collector):
        def collect(self) -> Iterator[Metric]:
            yield GaugeMetricFamily("signalbox_other", "Of somebody else.", 7)

    names = [family.name for family in Families(snapshot(), Process(), [Other()]).collect()]
    assert names[-1] == "signalbox_other"
