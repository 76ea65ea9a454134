"""``/metrics`` of a simulated engine: vLLM's families, fed by what the engine's steps report."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from signalbox.sim import metric_names as names
from signalbox.sim.engine import Engine, Sequence, Step
from signalbox.sim.profile import Profile

_ENGINE = "0"


class Metrics:
    """All metric families of one engine, in a registry of its own."""

    def __init__(self, profile: Profile) -> None:
        self.registry = CollectorRegistry()
        GCCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        ProcessCollector(registry=self.registry)
        self._at_end = profile.counters == "end"
        model = self._model = profile.model
        self._gauges = {name: self._gauge(name, text).labels(_ENGINE, model) for name, text in names.GAUGES.items()}
        waiting = self._gauge("vllm:num_requests_waiting_by_reason", names.WAITING_BY_REASON, "reason")
        self._capacity = waiting.labels(_ENGINE, model, "capacity")
        waiting.labels(_ENGINE, model, "deferred")
        sleep = self._gauge("vllm:engine_sleep_state", names.SLEEP_STATE, "sleep_state")
        for state in ("awake", "weights_offloaded", "discard_all"):
            sleep.labels(_ENGINE, model, state).set(state == "awake")
        self._counters = {
            name: self._counter(name, text).labels(_ENGINE, model) for name, text in names.COUNTERS.items()
        }
        self._sources = self._labelled("vllm:prompt_tokens_by_source", "source", *names.PROMPT_BY_SOURCE)
        self._tiers = self._labelled("vllm:prompt_tokens_cached_by_source", "source", *names.CACHED_BY_SOURCE)
        self._success = self._labelled("vllm:request_success", "finished_reason", *names.SUCCESS)
        text, reasons = names.REJECTIONS
        rejections = Counter("vllm:admission_rejections", text, ("model_name", "reason"), registry=self.registry)
        self._rejections = {reason: rejections.labels(model, reason) for reason in reasons}
        self._histograms = {
            name: Histogram(name, text, ("engine", "model_name"), buckets=buckets, registry=self.registry).labels(
                _ENGINE, model
            )
            for name, (text, buckets) in names.HISTOGRAMS.items()
        }
        self._gap = self._histograms["vllm:inter_token_latency_seconds"]
        self._cache_config(profile)

    def render(self, engine: Engine) -> bytes:
        """The text of a scrape."""
        load = engine.gauges
        self._gauges["vllm:num_requests_running"].set(load.running)
        self._gauges["vllm:num_requests_waiting"].set(load.waiting)
        self._gauges["vllm:kv_cache_usage_perc"].set(load.kv_usage)
        self._capacity.set(load.waiting)
        return generate_latest(self.registry)

    def rejected(self, requests: int) -> None:
        """The queue limit refused a request of so many sequences."""
        self._rejections["max_num_queued_reqs"].inc(requests)

    def step(self, step: Step) -> None:
        """Count what a step did; with counters that move at the end, tokens of running requests wait."""
        counters, histograms = self._counters, self._histograms
        histograms["vllm:iteration_tokens_total"].observe(step.prompt_tokens + step.output_tokens)
        counters["vllm:num_preemptions"].inc(step.preempted)
        if not self._at_end:
            counters["vllm:generation_tokens"].inc(step.output_tokens)
        for sequence in step.first:
            histograms["vllm:time_to_first_token_seconds"].observe(sequence.first_at - sequence.arrived_at)
            if not self._at_end:
                self._prompt(sequence)
        for sequence in step.advanced:
            if sequence.produced > 1:
                self._gap.observe(sequence.gap)
        for sequence in step.finished:
            if self._at_end:
                counters["vllm:generation_tokens"].inc(sequence.produced)
                self._prompt(sequence)
            self._finished(sequence)

    def _prompt(self, sequence: Sequence) -> None:
        cached = sequence.cached
        self._counters["vllm:prompt_tokens"].inc(sequence.prompt)
        self._counters["vllm:prompt_tokens_cached"].inc(cached)
        self._counters["vllm:prefix_cache_queries"].inc(sequence.prompt)
        self._counters["vllm:prefix_cache_hits"].inc(cached)
        self._sources["local_compute"].inc(sequence.prompt - cached)
        self._sources["local_cache_hit"].inc(cached)
        self._tiers["device"].inc(cached)

    def _finished(self, sequence: Sequence) -> None:
        decode = sequence.last_at - sequence.first_at
        values = {
            "vllm:request_prompt_tokens": sequence.prompt,
            "vllm:request_generation_tokens": sequence.produced,
            "vllm:request_max_num_generation_tokens": sequence.produced,
            "vllm:request_params_n": sequence.n,
            "vllm:e2e_request_latency_seconds": sequence.last_at - sequence.arrived_at,
            "vllm:request_queue_time_seconds": sequence.scheduled_at - sequence.arrived_at,
            "vllm:request_inference_time_seconds": sequence.last_at - sequence.scheduled_at,
            "vllm:request_prefill_time_seconds": sequence.first_at - sequence.scheduled_at,
            "vllm:request_decode_time_seconds": decode,
            "vllm:request_num_preemptions": sequence.preemptions,
            "vllm:request_prefill_kv_computed_tokens": sequence.prompt - sequence.cached,
        }
        if sequence.produced > 1:
            values["vllm:request_time_per_output_token_seconds"] = decode / (sequence.produced - 1)
        if sequence.max_tokens is not None:
            values["vllm:request_params_max_tokens"] = sequence.max_tokens
        for name, value in values.items():
            self._histograms[name].observe(value)
        self._success["length" if sequence.finish == "length" else "stop"].inc()

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, ("engine", "model_name", *labels), registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, ("engine", "model_name", *labels), registry=self.registry)

    def _labelled(self, name: str, label: str, text: str, values: tuple[str, ...]) -> dict[str, Counter]:
        family = self._counter(name, text, label)
        return {value: family.labels(_ENGINE, self._model, value) for value in values}

    def _cache_config(self, profile: Profile) -> None:
        block = str(profile.block_tokens)
        labels = names.CACHE_CONFIG | {
            "engine": _ENGINE,
            "block_size": block,
            "effective_attention_block_size": block,
            "kv_cache_max_concurrency": f"{profile.kv_tokens / profile.context_window:.2f}",
            "kv_cache_size_tokens": str(profile.kv_tokens),
            "num_gpu_blocks": str(profile.kv_tokens // profile.block_tokens),
        }
        text = "Information of the LLMEngine CacheConfig"
        Gauge("vllm:cache_config_info", text, tuple(labels), registry=self.registry).labels(**labels).set(1)


class HttpMetrics:
    """The families of the HTTP server in front of the engine."""

    def __init__(self, registry: CollectorRegistry) -> None:
        by_handler = ("handler",)
        size = "Only value of header is respected. Otherwise ignored. No percentile calculated. "
        self._requests = Counter(
            "http_requests",
            "Total number of requests by method, status and handler.",
            ("method", "status", "handler"),
            registry=registry,
        )
        self._in = Summary(
            "http_request_size_bytes",
            f"Content length of incoming requests by handler. {size}",
            by_handler,
            registry=registry,
        )
        self._out = Summary(
            "http_response_size_bytes",
            f"Content length of outgoing responses by handler. {size}",
            by_handler,
            registry=registry,
        )
        self._fine = Histogram(
            "http_request_duration_highr_seconds",
            "Latency with many buckets but no API specific labels. Made for more accurate percentile calculations. ",
            buckets=names.HTTP_FINE_BUCKETS,
            registry=registry,
        )
        self._coarse = Histogram(
            "http_request_duration_seconds",
            "Latency with only few buckets by handler. Made to be only used if aggregation by handler is important. ",
            ("handler", "method"),
            buckets=names.HTTP_COARSE_BUCKETS,
            registry=registry,
        )

    def observe(self, handler: str, method: str, status: int, sizes: tuple[int, int], seconds: float) -> None:
        """Count one request; ``sizes`` are the content lengths of request and response, 0 where unknown."""
        self._requests.labels(method, f"{status // 100}xx", handler).inc()
        self._in.labels(handler).observe(sizes[0])
        self._out.labels(handler).observe(sizes[1])
        self._fine.observe(seconds)
        self._coarse.labels(handler, method).observe(seconds)
