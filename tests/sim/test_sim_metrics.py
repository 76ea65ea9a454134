"""The metrics text against what was recorded from a real vLLM."""

import random
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from signalbox.sim.engine import Engine, Sequence
from signalbox.sim.metrics import HttpMetrics, Metrics
from signalbox.sim.profile import Profile

GOLDEN = Path(__file__).parent / "data" / "vllm-0.32-families.tsv"
ROWS = [line.split("\t") for line in GOLDEN.read_text().splitlines() if not line.startswith("#")]


def scrape(profile: Profile) -> tuple[Engine, Metrics]:
    core, metrics = Engine(profile, random.Random(1)), Metrics(profile)
    HttpMetrics(metrics.registry).observe("/v1/chat/completions", "POST", 200, (10, 20), 0.1)
    return core, metrics


def families(text: str) -> dict[str, tuple[str, set[str], list[str]]]:
    """Of each family its type, its labels and its bucket bounds."""
    found: dict[str, tuple[str, set[str], list[str]]] = {}
    types = dict(line.split()[2:4] for line in text.splitlines() if line.startswith("# TYPE "))
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = dict(sample.labels)
            name = sample.name if sample.name in types else sample.name.rpartition("_")[0]
            _, names, buckets = found.setdefault(name, (types.get(name, ""), set(), []))
            if (bound := labels.pop("le", None)) is not None and bound not in buckets:
                buckets.append(bound)
            names.update(labels)
    return found


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_every_family_of_vllm_is_there_with_its_type_labels_buckets_and_help(row: list[str]) -> None:
    name, kind, labels, buckets, text = row
    core, metrics = scrape(Profile(model="smollm2"))
    page = metrics.render(core).decode()
    assert f"# HELP {name} {text}\n" in page
    assert f"# TYPE {name} {kind}\n" in page
    shown = families(page)[name]
    assert shown == (kind, set(filter(None, labels.split(","))), buckets.split())


def test_no_family_of_the_engine_is_invented() -> None:
    core, metrics = scrape(Profile())
    known = {row[0] for row in ROWS}
    assert {name for name in families(metrics.render(core).decode()) if name.startswith("vllm:")} == {
        name for name in known if name.startswith("vllm:")
    } | {
        name.removesuffix("_total") + "_created"
        for name, kind, *_ in ROWS
        if name.startswith("vllm:") and kind == "counter"
    } | {name + "_created" for name, kind, *_ in ROWS if name.startswith("vllm:") and kind == "histogram"}


def value(metrics: Metrics, core: Engine, name: str, **labels: str) -> float:
    metrics.render(core)
    found = metrics.registry.get_sample_value(name, {"engine": "0", "model_name": "sim"} | labels)
    assert found is not None
    return found


def test_counters_move_with_each_step() -> None:
    core, metrics = scrape(Profile(jitter=0.0))
    core.submit([Sequence(100, 50, finish="length", max_tokens=50)], 0.0)
    for _ in range(3):
        for step in core.poll(core.due or 0.0):
            metrics.step(step)
    assert value(metrics, core, "vllm:generation_tokens_total") == 3
    assert value(metrics, core, "vllm:prompt_tokens_total") == 100
    assert value(metrics, core, "vllm:num_requests_running") == 1
    assert value(metrics, core, "vllm:request_success_total", finished_reason="length") == 0
    while core.due is not None:
        for step in core.poll(core.due):
            metrics.step(step)
    assert value(metrics, core, "vllm:generation_tokens_total") == 50
    assert value(metrics, core, "vllm:request_success_total", finished_reason="length") == 1
    assert value(metrics, core, "vllm:e2e_request_latency_seconds_count") == 1
    assert value(metrics, core, "vllm:inter_token_latency_seconds_count") == 49


def test_counters_that_move_at_the_end_of_a_request() -> None:
    core, metrics = scrape(Profile(counters="end"))
    core.submit([Sequence(100, 5)], 0.0)
    seen = []
    while core.due is not None:
        for step in core.poll(core.due):
            metrics.step(step)
        seen.append(value(metrics, core, "vllm:generation_tokens_total"))
    assert seen == [0, 0, 0, 0, 5]


def test_refusals_by_the_queue_limit_are_counted() -> None:
    _core, metrics = scrape(Profile())
    metrics.rejected(2)
    found = metrics.registry.get_sample_value(
        "vllm:admission_rejections_total", {"model_name": "sim", "reason": "max_num_queued_reqs"}
    )
    assert found == 2
