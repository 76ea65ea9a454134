"""Backends whose engines cannot be asked: what routers counted stands in for it."""

import pytest

from signalbox.feedback.backends import BackendState, Load, Sight, load, observe
from signalbox.feedback.plan import Backend
from signalbox.feedback.traffic import Traffic

PERIOD = 5.0


def loads(backend: Backend, *traffic: Traffic) -> list[Load]:
    """One after each look at what was counted."""
    state, found = BackendState(), []
    for counted in traffic:
        sight = Sight(traffic=counted)
        state = observe(state, backend, sight, counted.at, first=True)
        found.append(load(state, backend, sight, counted.at, 3 * PERIOD, None))
    return found


def counted(number: int, busy: int = 0, rate: float = 1000.0) -> Traffic:
    """After so many periods of ten requests a second, and tokens at a ``rate``."""
    sent, tokens = round(10 * PERIOD) * number, round(rate * PERIOD) * number
    return Traffic(at=PERIOD * number, started=sent, completed=sent, output_tokens=tokens, busy=busy, in_flight=5)


def test_a_429_takes_three_tenths_which_come_back_slowly() -> None:
    backend = Backend(name="b", endpoints=("e",), tokens_per_minute=6000, max_in_flight=10)
    found = loads(backend, *(counted(number, busy) for number, busy in enumerate([0, 0, 1, 1, 1])))
    # The limit of 100 tokens a second, not the thousand that were seen.
    assert [each.capacity for each in found[1:]] == pytest.approx([100.0, 70.0, 72.0, 74.0])


def test_a_429_after_the_other_leaves_a_twentieth_and_all_comes_back() -> None:
    backend = Backend(name="b", endpoints=("e",), tokens_per_minute=6000)
    found = loads(backend, *(counted(number, min(number, 20)) for number in range(80)))
    assert min(each.capacity or 0.0 for each in found) == pytest.approx(5.0)
    assert found[-1].capacity == pytest.approx(100.0)


def test_what_may_be_in_flight_stands_in_for_the_concurrency() -> None:
    (found,) = loads(Backend(name="b", endpoints=("e",), max_in_flight=10), counted(0))
    assert (found.utilization, found.running, found.waiting) == (0.5, 5.0, 0.0)
    (unbounded,) = loads(Backend(name="b", endpoints=("e",)), counted(0))
    assert unbounded.utilization is None


def test_the_most_that_was_seen_is_a_capacity_only_where_something_bounds_it() -> None:
    def capacity(busy: int = 0, **limits: float) -> float | None:
        backend = Backend(name="b", endpoints=("e", "f"), **limits)  # type: ignore[arg-type]
        seen = [counted(0, rate=50.0), counted(1, rate=50.0), counted(2, busy, rate=50.0)]
        return loads(backend, *seen)[-1].capacity

    assert capacity() is None
    assert capacity(busy=1) == pytest.approx(35.0)
    assert capacity(max_in_flight=10) == pytest.approx(50.0)
    assert capacity(tokens_per_minute=6000) == pytest.approx(50.0)
    assert capacity(tokens_per_second=40.0) == pytest.approx(80.0)  # of each endpoint


def test_a_backend_that_was_gone_and_is_there_again_has_had_no_less_than_nothing() -> None:
    backend = Backend(name="b", endpoints=("e",), tokens_per_minute=6000)
    begun_anew = Traffic(at=2 * PERIOD, started=1, completed=1, output_tokens=10)
    found = loads(backend, counted(0, busy=3), counted(1, busy=3), begun_anew)
    assert found[-1].capacity == pytest.approx(100.0)
    assert all((each.arrivals or 0.0) >= 0.0 for each in found)
