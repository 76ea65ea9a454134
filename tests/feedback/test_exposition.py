"""The reader of metrics as text: finds what a real exporter writes, and survives everything else."""

import math
import signal
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from signalbox.feedback.exposition import MOST_LINE, MOST_SERIES, Names, Series, Unreadable, selector

RUNNING = "vllm:num_requests_running"


def read(text: str, *names: str) -> list[Series]:
    return Names(names or (RUNNING,)).read(text.encode())


def test_only_what_is_wanted_is_found() -> None:
    text = (
        "# HELP vllm:num_requests_running vllm:num_requests_running 7\n"
        "# TYPE vllm:num_requests_running gauge\n"
        'vllm:num_requests_running{engine="0",model_name="m"} 4.0\n'
        "vllm:num_requests_running_created 1.79e9\n"
        "avllm:num_requests_running 9\n"
        " vllm:num_requests_running 9\n"
        "vllm:num_requests_running\n"
        'vllm:num_requests_running{model_name="n"} 5\n'
    )
    assert read(text) == [
        Series(RUNNING, {"engine": "0", "model_name": "m"}, 4.0),
        Series(RUNNING, {"model_name": "n"}, 5.0),
    ]


def test_a_histogram_and_a_twin_are_not_the_counter() -> None:
    registry = CollectorRegistry()
    Counter("vllm:generation_tokens", "x", registry=registry).inc(7)
    Histogram("vllm:iteration_tokens_total", "x", registry=registry).observe(3)
    for text in (generate_latest(registry), generate_openmetrics(registry)):
        found = Names(("vllm:generation_tokens_total", "vllm:iteration_tokens_total")).read(text)
        assert found == [Series("vllm:generation_tokens_total", {}, 7.0)]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("x 1", 1.0),
        ("x\t1", 1.0),
        ("x 1 1395066363000", 1.0),
        ('x{a="b"}1', 1.0),
        ('x{a="b",} 1', 1.0),
        ("x{} 1", 1.0),
        ("x 1\r", 1.0),
        ('x{le="+Inf"} 1 # {trace_id="y"} 0.5 1.5', 1.0),
        ("x +Inf", math.inf),
        ("x -3", -3.0),
        ("x 1.5e+06", 1.5e6),
    ],
)
def test_every_form_of_a_line(line: str, value: float) -> None:
    for text in (line, line + "\n", "y 2\n" + line + "\ny 3\n"):
        assert [each.value for each in read(text, "x")] == [value]


def test_what_is_no_number_is_said_to_be_none() -> None:
    assert [math.isnan(each.value) for each in read("x NaN\nx many\nx 0x10\n", "x")] == [True] * 3


def test_labels_hold_what_they_hold() -> None:
    (series,) = read(r'x{a="with } and \" and \\ and \n",b="x 1",c="ü"} 2', "x")
    assert series.labels == {"a": 'with } and " and \\ and \n', "b": "x 1", "c": "ü"}
    assert series.value == 2.0


def test_a_line_without_end_is_passed_over() -> None:
    for long in ("x" * 3 * MOST_LINE, 'x{a="' + "y" * 3 * MOST_LINE):
        scan = Names(("x",)).scan()
        for start in range(0, len(long), 1000):
            scan.feed(long[start : start + 1000].encode())
        scan.feed(b"x 3\nx 4\n")
        assert [each.value for each in scan.close()] == [4.0]


def test_a_name_that_is_neither_with_colons_nor_without_is_not_wanted() -> None:
    assert read("a:b:c 1\na_b_c 2\na_b:c 3\n", "a:b:c") == [Series("a:b:c", {}, 1.0), Series("a:b:c", {}, 2.0)]


def test_more_series_than_anybody_has_are_refused() -> None:
    with pytest.raises(Unreadable, match=str(MOST_SERIES)):
        Names(("x",)).read(b"x 1\n" * (MOST_SERIES + 1))


labels = st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True), st.text(max_size=12), max_size=3)
values = st.floats(allow_nan=False) | st.integers(-(10**18), 10**18)


@given(labels, st.lists(values, min_size=1, max_size=3), st.integers(1, 40), st.booleans())
def test_what_the_real_exporter_writes_is_found_in_whatever_pieces_it_comes(
    found: dict[str, str], numbers: list[float], size: int, openmetrics: bool
) -> None:
    registry = CollectorRegistry()
    gauge = Gauge("sglang:token_usage", "x\ny", [*found, "zzz"], registry=registry)
    for index, number in enumerate(numbers):
        gauge.labels(*found.values(), str(index)).set(number)
    text = (generate_openmetrics if openmetrics else generate_latest)(registry)
    scan = Names(("sglang:token_usage", "sglang:token")).scan()
    for start in range(0, len(text), size):
        scan.feed(text[start : start + size])
    wanted = [
        Series("sglang:token_usage", {**found, "zzz": str(index)}, float(number))
        for index, number in enumerate(numbers)
    ]
    assert sorted(scan.close(), key=repr) == sorted(wanted, key=repr)


pieces = st.sampled_from(
    [b"x", b"{", b"}", b'"', b"\\", b"\n", b" ", b"\t", b"=", b",", b"a", b"1", b"#", b"\xff", b"\r"]
)


@given(st.lists(pieces | st.binary(max_size=6), max_size=200))
def test_garbage_raises_nothing(garbage: list[bytes]) -> None:
    scan = Names(("x", "xa", "a:x")).scan()
    for piece in garbage:
        scan.feed(piece)
    whole = Names(("x", "xa", "a:x")).read(b"".join(garbage))
    assert repr(scan.close()) == repr(whole)  # NaN is not equal to itself


@pytest.fixture
def patience() -> Iterator[None]:
    """Who does not end fails, rather than to hang: after a hundred times the processor time that it takes."""

    def stop(*_: object) -> None:
        raise AssertionError("that does not end")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, 30.0)
    yield
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
    signal.signal(signal.SIGVTALRM, before)


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize(
    ("begin", "unit", "end"),
    [("", unit, "") for unit in ('x{a="', 'x{a="\\', "x{a", "x{,", "x ", 'x{a="b"', '"', "\nx{", '\nx{a="b",')]
    + [("x{", unit, "} 1\n") for unit in ("a", "a=", "a ", "a,", " ", "=", "\\", "a=\t")]
    + [("x{", unit, '"} 1\n') for unit in ('a="', 'a="\\"', '"', 'a="b')],
)
def test_whatever_a_mebibyte_of_text_is_it_has_an_end(begin: str, unit: str, end: str) -> None:
    """What is quadratic takes hours, and what backtracks more than anybody has."""
    text = begin + unit * ((1 << 20) // len(unit)) + end
    with suppress(Unreadable):
        assert len(read(text, "x")) <= 1


def test_selectors() -> None:
    assert selector("my_queue") == ("my_queue", {})
    assert selector(' tgi:queue{model="a,b}", shard="\\"0\\"" } ') == ("tgi:queue", {"model": "a,b}", "shard": '"0"'})
    for wrong in ("", "1x", "x{", 'x{a!="b"}', 'x{a=~"b"}', "x{a}", "rate(x[5m])", 'x{a="b"} > 1'):
        with pytest.raises(ValueError, match=r"write|name"):
            selector(wrong)
