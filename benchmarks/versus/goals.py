"""What the project promises of this comparison, beside what was found."""

from collections.abc import Iterator

from benchmarks.harness.report import Spread, number
from benchmarks.versus.records import ENVOY, Promise, Record, Results

SIGNALBOX = "signalbox"
IDLE_MB = 45.0
UNARY = "unary-1KB-256-connections"
STREAMS = "sse-1KB-256-connections"
HALF_LOAD = ("unary-1KB-50%-of-its-own-load", "unary-1KB-50%-of-signalbox-load")


def promises(results: Results) -> Iterator[Promise]:
    """Each goal; ``met`` is None where it could not be measured."""
    yield _ratio(results, "unary requests/s of one core at least those of bare Envoy", UNARY, 1.0)
    yield _ratio(results, "stream events per CPU-second at least 1.1 of bare Envoy's", STREAMS, 1.1)
    for scenario in HALF_LOAD:
        yield _no_worse(results, scenario)
    yield _memory(results)


def _missing(promise: str, record: Record | None) -> Promise:
    return Promise(promise, f"not measured: {(record and record.reason) or 'there is no bare Envoy'}", None)


def _ratio(results: Results, promise: str, scenario: str, least: float) -> Promise:
    record = results.of(SIGNALBOX, scenario)
    if record is None or record.ratio_to_envoy is None:
        return _missing(promise, record)
    found = record.ratio_to_envoy
    return Promise(promise, f"{found} of Envoy's", found.median >= least)


def _no_worse(results: Results, scenario: str) -> Promise:
    promise = f"latency added at p99 no more than by bare Envoy ({scenario})"
    ours, theirs = results.of(SIGNALBOX, scenario), results.of(ENVOY, scenario)
    if ours is None or ours.value is None or theirs is None or theirs.value is None:
        return _missing(promise, ours if ours is None or ours.value is None else theirs)
    text = f"{number(ours.value.median)} µs, Envoy {number(theirs.value.median)} µs"
    return Promise(promise, text, ours.value.median <= theirs.value.median)


def _memory(results: Results) -> Promise:
    promise = f"an idle worker takes at most {IDLE_MB:.0f} MB"
    record = results.of(SIGNALBOX, "memory")
    size = record.details.get("largest_rss_mb") if record else None
    if not isinstance(size, Spread):
        return _missing(promise, record)
    return Promise(promise, f"RSS {number(size.median)} MB", size.median <= IDLE_MB)
