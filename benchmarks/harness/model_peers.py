"""Peers that are made for models: LiteLLM's proxy and vllm-router, with one worker and no log of requests."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness import chat
from benchmarks.harness.environments import LITELLM, VLLM_ROUTER, installed
from benchmarks.harness.processes import free_ports, running

DAY = 86_400


@contextmanager
def litellm(
    upstream: int, on: frozenset[int], directory: Path, say: Callable[[str], None]
) -> Iterator[tuple[int, int]]:
    """LiteLLM's proxy in front of one model, with one key: gives its port and process. Raises ``BenchError``."""
    program = installed(LITELLM, say)
    (port,) = free_ports(1)
    engine = {"model": "openai/bench-small", "api_base": f"http://127.0.0.1:{upstream}/v1", "api_key": "bench-engine"}
    config = directory / "litellm.yaml"
    config.write_text(  # JSON is YAML
        json.dumps(
            {
                "model_list": [{"model_name": chat.MODEL, "litellm_params": engine}],
                "litellm_settings": {"num_retries": 0},  # none is wanted after a client that has gone
                "general_settings": {"master_key": chat.CLIENT_KEY},
            }
        )
    )
    command: list[str | Path] = [program, "--config", config, "--host", "127.0.0.1", "--port", str(port)]
    command += ["--num_workers", "1", "--telemetry", "False"]
    # As its guide to production says; and no list of prices is fetched at the start.
    environment = {"LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    with running(command, on, directory / "litellm.log", [port], **environment) as process:
        yield port, process.pid


@contextmanager
def vllm_router(
    upstream: int, on: frozenset[int], directory: Path, say: Callable[[str], None]
) -> Iterator[tuple[int, int]]:
    """vLLM's router in front of one engine, without its cache of prefixes: gives port and process. Raises
    ``BenchError``."""
    program = installed(VLLM_ROUTER, say)
    port, metrics = free_ports(2)
    command: list[str | Path] = [program, "--host", "127.0.0.1", "--port", str(port), "--prometheus-port", str(metrics)]
    command += ["--worker-urls", f"http://127.0.0.1:{upstream}", "--policy", "round_robin", "--log-level", "error"]
    command += ["--health-check-interval-secs", str(DAY)]
    with running(command, on, directory / "vllm-router.log", [port]) as process:
        yield port, process.pid
