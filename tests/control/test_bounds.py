"""What is kept of what a pod says: anybody who can make a pod may be one."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalbox.control.bounds import MAX_NAME, MOST, Bucket, bounded, bounded_hello
from signalbox.control.messages import (
    MAX_NAMES,
    MAX_TEXT,
    MAX_WAYS,
    Applied,
    Hello,
    Lease,
    Rejected,
    Report,
    RouteWeights,
    Sent,
    SetWeights,
    Traffic,
    Waiting,
)

HASH = "0123456789abcdef"
HUGE = 10**400


def test_what_a_router_says_is_kept() -> None:
    said = Report(
        config_hash=HASH,
        waits_for=Waiting(HASH, ("a", "b")),
        rejected=Rejected(HASH, "why"),
        backends={"x": Traffic(known=2, usable=1, causes=("connect",), requests=3)},
        sent={"p": {"r": {"t": Sent(requests=3, failed=1)}}},
    )
    assert bounded(said, {"x", "y"}, {"p"}) == said
    assert bounded_hello(Hello(format_version=2, config_hash=HASH)) == Hello(format_version=2, config_hash=HASH)


@pytest.mark.parametrize("name", ["x" * 65, HASH.upper(), HASH + "\n", HASH[1:], "é" * 16])
def test_what_is_no_hash_is_none(name: str) -> None:
    assert (
        bounded(Report(config_hash=name, waits_for=Waiting(name, ()), rejected=Rejected(name, "why")), ()) == Report()
    )
    assert bounded_hello(Hello(format_version=2, config_hash=name)) == Hello(format_version=2)


def test_of_backends_only_those_of_the_router_count() -> None:
    said = Report(backends={"x": Traffic(known=1), "another's": Traffic(known=1, usable=1)})
    assert bounded(said, {"x", "y"}) == Report(backends={"x": Traffic(known=1)})


def test_nobody_applies_less_than_nothing() -> None:
    said = Report(leases={name: Applied(lease=Lease(in_flight=-1), most=Lease(in_flight=3)) for name in "xz"})
    kept = Applied(lease=Lease(in_flight=0), most=Lease(in_flight=3))
    assert bounded(said, {"x", "y"}) == Report(leases={"x": kept})


def test_of_policies_only_those_of_the_router_count() -> None:
    weights = {"r": RouteWeights(sets=(SetWeights(effective={"t": 1.0}),))}
    said = Report(weights={"mine": weights, "another's": weights})
    assert bounded(said, (), {"mine", "none"}) == Report(weights={"mine": weights})


def test_counters_are_within_reason() -> None:
    said = Report(backends={"x": Traffic(started=-1, completed=1 << 60, known=3, causes=("connect",))})
    kept = Traffic(started=0, completed=MOST, known=3, causes=("connect",))
    assert bounded(said, {"x"}) == Report(backends={"x": kept})


def test_no_amount_is_beyond_reason() -> None:
    """What cannot become a float would end what is computed for everybody."""
    huge = Lease(in_flight=HUGE, requests_per_minute=HUGE, tokens_per_minute=HUGE)
    said = Report(
        backends={"x": Traffic(started=HUGE)},
        sent={"p": {"r": {"t": Sent(requests=HUGE, failed=-1)}}},
        leases={"x": Applied(lease=huge, most=huge, spent=huge)},
    )
    most = Lease(in_flight=MOST, requests_per_minute=MOST, tokens_per_minute=MOST)
    assert bounded(said, {"x"}, {"p"}) == Report(
        backends={"x": Traffic(started=MOST)},
        sent={"p": {"r": {"t": Sent(requests=MOST)}}},
        leases={"x": Applied(lease=most, most=most, spent=most)},
    )


def test_of_what_was_sent_only_that_of_its_policies_counts() -> None:
    ways = {"r": {"t": Sent(requests=1)}}
    assert bounded(Report(sent={"mine": ways, "another's": ways}), (), {"mine"}) == Report(sent={"mine": ways})


def test_of_targets_only_so_many_are_spoken_about() -> None:
    said = Report(sent={"p": {"r": {f"t{number}": Sent(requests=1) for number in range(MAX_WAYS + 5)}}})
    assert len(bounded(said, (), {"p"}).sent["p"]["r"]) == MAX_WAYS
    assert bounded(Report(sent={"p": {"r": {"": Sent(), "x" * 300: Sent()}}}), (), {"p"}) == Report()


TEXTS = st.text(max_size=20) | st.just("x" * 40_000)
SAID: st.SearchStrategy[Any] = st.builds(
    Report,
    config_hash=TEXTS,
    waits_for=st.builds(Waiting, st.just(HASH), st.lists(TEXTS, max_size=30).map(tuple)),
    rejected=st.builds(Rejected, st.just(HASH), TEXTS),
    backends=st.dictionaries(TEXTS, st.builds(Traffic, causes=st.lists(TEXTS, max_size=30).map(tuple)), max_size=5),
)


@given(SAID)
def test_nothing_is_long(said: Report) -> None:
    kept = bounded(said, {"x"})
    assert len(msgspec.json.encode(kept)) < 6 * (MAX_TEXT + 2 * MAX_NAMES * MAX_NAME) + 500
    assert bounded(kept, {"x"}) == kept


def test_a_bucket_fills_again() -> None:
    now = 100.0
    bucket = Bucket(rate=2.0, burst=6.0, clock=lambda: now)
    assert [bucket.take(3.0) for _ in range(3)] == [True, True, False]
    now += 1.0
    assert [bucket.take(2.0), bucket.take(1.0)] == [True, False]
    now += 3600.0
    assert [bucket.take(7.0), bucket.take(6.0)] == [False, True]
