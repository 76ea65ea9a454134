"""llama.cpp's ``llama-server --metrics``. Its series have no labels, and nothing counts requests.

``kv_cache_usage_ratio``, which older ones export, is left out: it counts what idle slots keep of former prompts too,
and stays at 1 in an engine that has nothing to do. ``prompt_tokens_total`` is without what was cached.
"""

from signalbox.feedback.engines.preset import Counters, Preset, named

LLAMA_CPP = Preset(
    running=(named("llamacpp:requests_processing"),),
    waiting=(named("llamacpp:requests_deferred"),),
    counters=(
        Counters(
            generated=(named("llamacpp:tokens_predicted_total"),),
            prompted=(named("llamacpp:prompt_tokens_total"),),
            late=True,
        ),
    ),
    models=False,
)
