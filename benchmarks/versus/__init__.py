"""``make bench``: Signalbox beside bare Envoy, nginx, LiteLLM's proxy, vllm-router and no proxy, in one run."""
