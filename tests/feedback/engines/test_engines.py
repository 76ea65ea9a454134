"""Readings of engines: what several series of one thing mean, and what is not there."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalbox.feedback.engines import PRESETS, reader
from signalbox.feedback.engines.preset import MOST
from signalbox.feedback.exposition import Unreadable
from signalbox.feedback.plan import Engine, Selectors
from signalbox.feedback.readings import Reading, rates

ENGINES = sorted(PRESETS)


def read(engine: Engine, text: str, model: str = "m") -> Reading:
    return reader(engine, None, model).read(text.encode(), 1.0)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("text", ["", "<html></html>", "up 1\n", "# TYPE vllm:num_requests_running gauge\n"])
def test_a_text_with_nothing_of_the_engine_is_unreadable(engine: Engine, text: str) -> None:
    with pytest.raises(Unreadable):
        read(engine, text)


def test_the_metrics_of_another_engine_are_unreadable() -> None:
    with pytest.raises(Unreadable):
        read("SGLang", "vllm:num_requests_running 1\n")


def test_what_is_missing_is_unknown() -> None:
    assert read("VLLM", "vllm:num_requests_waiting 2\n") == Reading(at=1.0, waiting=2.0)


def test_a_broken_series_leaves_the_sum_unknown_and_no_counter_goes_back() -> None:
    whole = 'vllm:generation_tokens_total{engine="0"} 100\nvllm:generation_tokens_total{engine="1"} 200\n'
    broken = whole.replace("200", "NaN")
    readings = [reader("VLLM").read(text.encode(), at) for at, text in enumerate((whole, broken, whole))]
    between = [rates(one, other) for one, other in pairwise(readings)]
    assert [each.work if each else "no time" for each in between] == [None, None]


def test_numbers_that_no_engine_has_are_unknown() -> None:
    text = "".join(
        f"vllm:{name} 1e308\n" for name in ("num_requests_running", "num_requests_waiting", "generation_tokens_total")
    )
    assert read("VLLM", text) == Reading(at=1.0)


def test_a_copy_that_is_no_number_leaves_the_others_unknown_in_whatever_order() -> None:
    for values in ((5, "NaN"), ("NaN", 5)):
        text = "".join(f'sglang:num_running_reqs{{tp_rank="{n}"}} {value}\n' for n, value in enumerate(values))
        assert read("SGLang", text).running is None


def test_counters_of_another_kind_are_not_compared() -> None:
    before = read("SGLang", "sglang:generation_tokens_total 7000\n")
    after = reader("SGLang").read(b'sglang:realtime_tokens_total{mode="decode"} 9000\n', 2.0)
    assert (before.late, after.late) == (True, False)
    between = rates(before, after)
    assert between is not None
    assert between.work is None


def test_custom_selectors() -> None:
    selectors = Selectors(
        running='tgi_batch_current_size{model="a"}',
        waiting="tgi_queue_size",
        kv_cache_usage="cache",
        generated_tokens="tokens_sum",
    )
    text = 'tgi_batch_current_size{model="a",x="1"} 3\ntgi_batch_current_size{model="b"} 9\ntgi_queue_size 4\n'
    text += "cache 0.5\ntokens_sum 700\n"
    reading = reader("Custom", selectors).read(text.encode(), 1.0)
    assert reading == Reading(at=1.0, running=3.0, waiting=4.0, kv_usage=0.5, generated=700.0, late=True)


def test_a_selector_that_is_none_is_said() -> None:
    with pytest.raises(ValueError, match="rate"):
        reader("Custom", Selectors(running="rate(x[1m])"))


def test_an_engine_without_metrics_has_no_reader() -> None:
    with pytest.raises(ValueError, match="None"):
        reader("None")


lines = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "vllm:num_requests_running",
                "vllm:num_requests_waiting",
                "vllm:num_requests_swapped",
                "vllm:kv_cache_usage_perc",
                "vllm:gpu_cache_usage_perc",
                "vllm:generation_tokens_total",
            ]
        ),
        st.sampled_from(['{engine="0"}', '{engine="1",model_name="m"}', '{model_name="n"}', ""]),
        st.floats() | st.sampled_from(["x", ""]),
    ),
    max_size=12,
)


@given(lines)
def test_every_reading_can_be_worked_with(found: list[tuple[str, str, object]]) -> None:
    text = "".join(f"{name}{labels} {value}\n" for name, labels, value in found)
    try:
        reading = read("VLLM", text)
    except Unreadable:
        return
    for value in (reading.running, reading.waiting, reading.kv_usage, reading.generated):
        assert value is None or 0.0 <= value <= len(found) * MOST
    assert reading.kv_usage is None or reading.kv_usage <= 1.0
