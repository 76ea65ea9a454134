"""A real vLLM on processors, made from packages of PyPI: 6 GB, so that only ``make test-engines`` asks for it."""
