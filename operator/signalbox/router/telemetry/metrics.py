"""Prometheus metrics: the sums over all workers, those that have died included, so that no counter goes back.

Names follow OpenTelemetry's semantic conventions for generative AI where these have one, as Prometheus spells them;
the rest is ``signalbox_router_*``. Every label has a bounded set of values: models are names of policies', never the
text of a client; there is no tenant, prompt or key.
"""

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from signalbox.router.telemetry import classifications
from signalbox.router.telemetry.process import Process
from signalbox.router.telemetry.snapshot import (
    DURATION_BOUNDS,
    TOKEN_BOUNDS,
    TTFT_BOUNDS,
    Count,
    Histogram,
    RouteCount,
    SeriesLabels,
    Snapshot,
)

# gen_ai.operation.name has no value of its own for Responses: openai.api.type tells the two chat APIs apart.
_OPERATIONS = {
    "chat": ("chat", "chat_completions"),
    "responses": ("chat", "responses"),
    "messages": ("chat", ""),
    "completions": ("text_completion", ""),
    "embeddings": ("embeddings", ""),
}
_PROVIDER = "openai"
_WAY = ["policy", "route", "target", "backend"]
_GEN_AI = ["gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "openai_api_type", *_WAY]


class Families:
    """A collector for ``prometheus_client.generate_latest``: one state of the router, as metric families.

    ``others`` follow: what else runs in the supervisor's process and has something to show.
    """

    def __init__(self, snapshot: Snapshot, process: Process, others: Sequence[Collector] = ()) -> None:
        self._snapshot = snapshot
        self._process = process
        self._others = others

    def collect(self) -> Iterator[Metric]:
        """All families, in a fixed order."""
        yield from self._gen_ai()
        yield from self._requests()
        yield from self._calls()
        yield from self._classifiers()
        yield from self._upstream()
        yield from self._weights()
        yield from self._own()
        for other in self._others:
            yield from other.collect()

    def _gen_ai(self) -> Iterator[Metric]:
        duration = HistogramMetricFamily(
            "gen_ai_client_operation_duration_seconds",
            "Time from the arrival of a request to the end of its answer. error_type is the status of a failed one.",
            labels=[*_GEN_AI, "error_type"],
        )
        tokens = HistogramMetricFamily(
            "gen_ai_client_token_usage",
            "Tokens of a request as the backend reported them, by gen_ai_token_type.",
            labels=[*_GEN_AI, "gen_ai_token_type"],
        )
        ttft = HistogramMetricFamily(
            "gen_ai_server_time_to_first_token_seconds",
            "Time from the arrival of a streaming request to its first token.",
            labels=_GEN_AI,
        )
        for series in self._snapshot.series:
            labels = _gen_ai_labels(series.labels)
            for status, histogram in sorted(series.durations.items()):
                _add(duration, [*labels, str(status) if status else ""], DURATION_BOUNDS, histogram)
            _add(tokens, [*labels, "input"], TOKEN_BOUNDS, series.input_tokens)
            _add(tokens, [*labels, "output"], TOKEN_BOUNDS, series.output_tokens)
            _add(ttft, labels, TTFT_BOUNDS, series.ttft)
        yield from (duration, tokens, ttft)

    def _requests(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "signalbox_router_requests",
            "Requests that were sent to a backend and have ended, by the status that the client got (502 or 504 "
            "also for a stream that broke after its 200).",
            labels=[*_WAY, "model", "operation", "status"],
        )
        retries = CounterMetricFamily(
            "signalbox_router_retries", "Attempts after the first of a request.", labels=[*_WAY, "model", "operation"]
        )
        cached = CounterMetricFamily(
            "signalbox_router_cached_input_tokens",
            "Input tokens that the backend took from its cache; they are part of the input tokens.",
            labels=[*_WAY, "model", "operation"],
        )
        cost = CounterMetricFamily(
            "signalbox_router_cost",
            "Cost of the answers in the currency of the backends' pricing.",
            labels=[*_WAY, "model", "operation"],
        )
        for series in self._snapshot.series:
            of = series.labels
            labels = [of.policy, of.route, of.target, of.backend, of.model, of.operation]
            for status, count in sorted(series.statuses.items()):
                requests.add_metric([*labels, str(status)], count)
            retries.add_metric(labels, series.retries)
            cached.add_metric(labels, series.cached_tokens)
            cost.add_metric(labels, series.cost_picos / 1e12)
        yield from (requests, retries, cached, cost)
        yield _pairs(
            "signalbox_router_rejected",
            "Requests that were never sent to a backend, by code of the error; policy is empty when none was found.",
            ["policy", "code"],
            self._snapshot.rejected,
        )
        yield _pairs(
            "signalbox_router_condition_errors",
            "Conditions that could not be evaluated and counted as not matching.",
            ["policy", "route"],
            self._snapshot.condition_errors,
        )

    def _calls(self) -> Iterator[Metric]:
        yield _route_counts(
            "signalbox_router_calls",
            "Calls of the router's own on behalf of requests, such as steps, samples and judges, by outcome: answered, "
            "refused, failed, timeout, unsent or cancelled. Their tokens and cost are in the other metrics.",
            "outcome",
            self._snapshot.calls,
        )
        yield _route_counts(
            "signalbox_router_chain_answers",
            "Requests of cascades, bestOf and consensus by the target that answers and why: accepted, live (the last "
            "step, or the one that disagreement goes to), best so far (the others failed), maxCalls, maxCost, timeout.",
            "by",
            self._snapshot.chains,
        )

    def _classifiers(self) -> Iterator[Metric]:
        labels = CounterMetricFamily(
            "signalbox_router_classifications",
            "Labels of classifiers, by outcome: answered, cached (the answer to an equal query was there, or on its "
            "way); the default label because the classifier was unsure (its answer was below minConfidencePercent), "
            "failed, had its timeout, or is untrained.",
            labels=["policy", "classifier", "label", "outcome"],
        )
        seconds = HistogramMetricFamily(
            "signalbox_router_classification_duration_seconds",
            "How long requests waited for a classifier.",
            labels=["policy", "classifier"],
        )
        for each in self._snapshot.classifiers:
            for said in each.said:
                labels.add_metric([each.policy, each.name, said.label, said.outcome], said.value)
            histogram = Histogram(each.sum, each.buckets)
            _add(seconds, [each.policy, each.name], classifications.BOUNDS, histogram)
        yield from (labels, seconds)

    def _upstream(self) -> Iterator[Metric]:
        yield _pairs(
            "signalbox_router_attempts",
            "Attempts at backends that have ended, by outcome.",
            ["backend", "outcome"],
            self._snapshot.attempts,
        )
        yield _pairs(
            "signalbox_router_ejections",
            "Times that an endpoint was taken out, by cause.",
            ["backend", "cause"],
            self._snapshot.ejections,
        )
        in_flight: dict[str, int] = {}
        usable: dict[str, int] = {}
        for endpoint in self._snapshot.endpoints:
            in_flight[endpoint.backend] = in_flight.get(endpoint.backend, 0) + endpoint.in_flight
            usable[endpoint.backend] = usable.get(endpoint.backend, 0) + endpoint.usable
        yield _by_backend("signalbox_router_in_flight", "Requests at a backend now.", in_flight)
        yield _by_backend(
            "signalbox_router_usable_endpoints", "Endpoints of a backend that at least one worker may use.", usable
        )
        endpoints = GaugeMetricFamily(
            "signalbox_router_endpoint_in_flight", "Requests at an endpoint now.", labels=["backend", "endpoint"]
        )
        for endpoint in self._snapshot.endpoints:
            endpoints.add_metric([endpoint.backend, endpoint.endpoint], endpoint.in_flight)
        yield endpoints

    def _weights(self) -> Iterator[Metric]:
        weight = GaugeMetricFamily(
            "signalbox_router_route_weight",
            "Weight in force of a target of a route, 0 to 1; tier counts those of a failover from 0. Routes that "
            "nobody steers go by their shares and have none.",
            labels=["policy", "route", "tier", "target"],
        )
        spill = GaugeMetricFamily(
            "signalbox_router_route_spill",
            "Part of a failover's requests that leaves its first tier for the next, 0 to 1.",
            labels=["policy", "route"],
        )
        by_load = GaugeMetricFamily(
            "signalbox_router_weights_by_load",
            "1 while load has a say in the weights of a policy, 0 while its samples are too old for that.",
            labels=["policy"],
        )
        age = GaugeMetricFamily(
            "signalbox_router_weights_age_seconds",
            "Age of the newest sample that the weights of a policy rest on.",
            labels=["policy"],
        )
        for policy, force in sorted(self._process.steered.items()):
            for route, of in sorted(force.routes.items()):
                for tier, each in enumerate(of.sets):
                    for target, value in sorted(each.effective.items()):
                        weight.add_metric([policy, route, str(tier), target], value)
                if of.spill:
                    spill.add_metric([policy, route], of.spill)
            by_load.add_metric([policy], force.by_load)
            if force.age is not None:
                age.add_metric([policy], force.age)
        yield from (weight, spill, by_load, age)

    def _own(self) -> Iterator[Metric]:
        snapshot, process = self._snapshot, self._process
        yield _single(GaugeMetricFamily, "connections", "Open connections of clients.", snapshot.connections)
        yield _single(
            CounterMetricFamily, "connections_accepted", "Connections of clients so far.", snapshot.connections_total
        )
        yield _single(
            GaugeMetricFamily,
            "waiting_requests",
            "Clients whose next request was read and waits for a worker to begin it; while it stays above 0, more come "
            "than the workers can serve.",
            snapshot.waiting,
        )
        yield _single(
            CounterMetricFamily,
            "access_log_lines_dropped",
            "Lines of the access log that found no reader in time.",
            snapshot.log_lines_dropped,
        )
        info = GaugeMetricFamily(
            "signalbox_router_config_info", "1 for the configuration in force.", labels=["config_hash"]
        )
        if process.config_hash:
            info.add_metric([process.config_hash], 1)
        yield info
        changes = CounterMetricFamily(
            "signalbox_router_config_changes",
            "Configurations that were put in force, or rejected as a whole.",
            labels=["result"],
        )
        changes.add_metric(["applied"], process.configs_applied)
        changes.add_metric(["rejected"], process.configs_rejected)
        yield changes
        yield _single(
            GaugeMetricFamily,
            "config_last_change_timestamp_seconds",
            "When the configuration in force was put in force.",
            process.changed_at,
        )
        ends = GaugeMetricFamily(
            "signalbox_router_certificate_expiry_timestamp_seconds",
            "When the certificate that clients see ends; absent without HTTPS.",
            labels=[],
        )
        if process.certificate_ends is not None:
            ends.add_metric([], process.certificate_ends)
        yield ends
        yield _single(
            CounterMetricFamily, "worker_restarts", "Workers that ended unasked and were replaced.", process.restarts
        )
        state = GaugeMetricFamily("signalbox_router_worker_state", "1 for the state.", labels=["worker", "state"])
        memory = GaugeMetricFamily(
            "signalbox_router_worker_resident_memory_bytes", "Memory of a worker in RAM.", labels=["worker"]
        )
        lag = GaugeMetricFamily(
            "signalbox_router_worker_loop_lag_seconds", "By how much a worker's loop was late last.", labels=["worker"]
        )
        for worker in process.workers:
            state.add_metric([str(worker.index), worker.state], 1)
            memory.add_metric([str(worker.index)], worker.memory)
            lag.add_metric([str(worker.index)], worker.lag)
        yield from (state, memory, lag)


def _gen_ai_labels(of: SeriesLabels) -> list[str]:
    operation, api = _OPERATIONS.get(of.operation, (of.operation, ""))
    return [operation, _PROVIDER, of.model, api, of.policy, of.route, of.target, of.backend]


def _add(family: HistogramMetricFamily, labels: list[str], bounds: tuple[float, ...], histogram: Histogram) -> None:
    if not any(histogram.buckets):
        return
    cumulative = 0
    buckets: list[tuple[str, float]] = []
    for bound, count in zip((*map(float, bounds), float("inf")), histogram.buckets, strict=True):
        cumulative += count
        buckets.append(("+Inf" if bound == float("inf") else repr(bound), cumulative))
    family.add_metric(labels, buckets, histogram.sum)


def _pairs(name: str, text: str, labels: list[str], counts: Iterable[Count]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=labels)
    for count in counts:
        family.add_metric([count.first, count.second], count.value)
    return family


def _route_counts(name: str, text: str, word: str, counts: Iterable[RouteCount]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=["policy", "route", "target", word])
    for count in counts:
        family.add_metric([count.policy, count.route, count.target, count.word], count.value)
    return family


def _by_backend(name: str, text: str, values: dict[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=["backend"])
    for backend, value in values.items():
        family.add_metric([backend], value)
    return family


def _single(kind: type[GaugeMetricFamily | CounterMetricFamily], name: str, text: str, value: float) -> Metric:
    family = kind(f"signalbox_router_{name}", text)
    family.add_metric([], value)
    return family
