"""vLLM, from 0.4 to 0.32. ``num_requests_waiting_by_reason`` and ``iteration_tokens_total``, a histogram, are not what
they sound like."""

from signalbox.feedback.engines.preset import Counters, Preset, named

VLLM = Preset(
    running=(named("vllm:num_requests_running"),),
    # The first engine (V0) had a third place for requests: those whose cache it had moved out of the GPU.
    waiting=(named("vllm:num_requests_waiting"), named("vllm:num_requests_swapped")),
    kv_usage=(named("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),),
    counters=(
        Counters(
            generated=(named("vllm:generation_tokens_total", "vllm:generation_tokens"),),
            prompted=(named("vllm:prompt_tokens_total", "vllm:prompt_tokens"),),
            cached=(
                named(
                    "vllm:prompt_tokens_cached_total",
                    "vllm:prefix_cache_hits_total",
                    "vllm:prefix_cache_hits",
                    "vllm:gpu_prefix_cache_hits_total",
                    "vllm:gpu_prefix_cache_hits",
                ),
            ),
            finished=(named("vllm:request_success_total", "vllm:request_success"),),
        ),
    ),
)
