"""SGLang with ``--enable-metrics``.

The scheduler writes gauges when a batch of prompts begins and every 40 steps (``--decode-log-interval``), so they lag.
With ``--enable-metrics-for-all-schedulers`` each GPU of a group says the same of the same requests. With priorities
there is, beside the total, a series for each of them.
"""

from signalbox.feedback.engines.preset import Counters, Preset, Quantity, named

_ALL_PRIORITIES = {"priority": ""}
_TOKENS = "sglang:realtime_tokens_total"
_FINISHED: Quantity = (named("sglang:num_requests_total"),)

SGLANG = Preset(
    running=(named("sglang:num_running_reqs", labels=_ALL_PRIORITIES),),
    # Requests whose grammar is being compiled have a queue of their own.
    waiting=(named("sglang:num_queue_reqs", labels=_ALL_PRIORITIES), named("sglang:num_grammar_queue_reqs")),
    kv_usage=(named("sglang:token_usage"),),
    counters=(
        # The scheduler counts at every step …
        Counters(
            generated=(named(_TOKENS, labels={"mode": "decode"}),),
            prompted=(
                named(_TOKENS, labels={"mode": "prefill_compute"}),
                named(_TOKENS, labels={"mode": "prefill_cache"}),
            ),
            cached=(named(_TOKENS, labels={"mode": "prefill_cache"}),),
            finished=_FINISHED,
        ),
        # … and the tokenizer's process, in older versions alone, when a request ends.
        Counters(
            generated=(named("sglang:generation_tokens_total"),),
            prompted=(named("sglang:prompt_tokens_total"),),
            cached=(named("sglang:cached_tokens_total"),),
            finished=_FINISHED,
            late=True,
        ),
    ),
    copies=("tp_rank", "pp_rank", "moe_ep_rank", "pid"),
)
