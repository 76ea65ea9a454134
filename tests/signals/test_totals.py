"""Sums over routers: whatever they do, no counter goes back and nothing is counted twice."""

from hypothesis import given
from hypothesis import strategies as st

from signalbox.control.messages import Traffic
from signalbox.signals.totals import Totals


def counted(started: int, *, usable: int = 1, known: int = 1, in_flight: int = 0) -> Traffic:
    return Traffic(started=started, completed=started, known=known, usable=usable, in_flight=in_flight)


def totals(*backends: str) -> Totals:
    made = Totals()
    made.keep(backends or ("a",))
    return made


def started(made: Totals, backend: str = "a") -> int:
    traffic = made.traffic(backend)
    assert traffic is not None
    return traffic.started


def test_what_was_counted_before_is_no_news() -> None:
    made = totals()
    made.take("r", {"a": counted(1000)}, 1.0)
    assert started(made) == 0
    made.take("r", {"a": counted(1003)}, 2.0)
    assert started(made) == 3


def test_a_router_that_begins_anew_counts_from_nothing() -> None:
    made = totals()
    made.take("r", {"a": counted(10)}, 1.0)
    made.take("r", {"a": counted(14)}, 2.0)
    made.take("r", {"a": counted(2)}, 3.0)
    assert started(made) == 6


def test_gauges_of_all_are_summed_and_go_with_their_router() -> None:
    made = totals()
    made.take("r", {"a": counted(0, in_flight=3)}, 1.0)
    made.take("s", {"a": counted(0, in_flight=4)}, 2.0)
    traffic = made.traffic("a")
    assert traffic is not None
    assert (traffic.in_flight, traffic.at) == (7, 2.0)
    made.leave("r")
    traffic = made.traffic("a")
    assert traffic is not None and traffic.in_flight == 4
    made.leave("s")
    assert made.traffic("a") is None


def test_silence_is_leaving() -> None:
    made = totals()
    made.take("r", {"a": counted(0, in_flight=3)}, 1.0)
    made.take("s", {"a": counted(0, in_flight=4)}, 5.0)
    made.expire(5.0)
    assert list(made.routers) == ["s"]


def test_unreachable_is_what_nobody_can_use_and_somebody_knows() -> None:
    made = totals("a", "b")
    assert not made.unreachable
    made.take("r", {"a": counted(0, usable=0), "b": counted(0, known=0, usable=0)}, 1.0)
    assert made.unreachable == {"a"}
    made.take("s", {"a": counted(0, usable=1)}, 1.0)
    assert not made.unreachable
    made.leave("s")
    assert made.unreachable == {"a"}
    made.take("r", {}, 2.0)  # it has no such backend any more
    assert not made.unreachable


def test_of_backends_that_are_gone_nothing_is_kept() -> None:
    made = totals("a", "b")
    made.take("r", {"a": counted(0, usable=0), "b": counted(0), "never": counted(5)}, 1.0)
    made.keep(("b",))
    assert not made.unreachable
    assert made.traffic("a") is None
    assert made.traffic("never") is None
    assert made.traffic("b") is not None


@given(st.lists(st.tuples(st.sampled_from("rst"), st.sampled_from(["count", "restart", "leave"]), st.integers(0, 9))))
def test_sums_are_what_routers_counted_while_they_were_heard(events: list[tuple[str, str, int]]) -> None:
    made = totals()
    made.take("always", {"a": counted(0)}, 0.0)
    counters: dict[str, int] = {}
    expected = before = 0
    for router, what, number in events:
        if what == "leave":
            made.leave(router)
            counters.pop(router, None)
            continue
        if what == "restart" and router in counters:
            anew = number if number < counters[router] else 0  # fewer than before: else nobody could tell
            expected += anew if anew < counters[router] else 0
            counters[router] = anew
        else:
            expected += number if router in counters else 0
            counters[router] = counters.get(router, 100) + number
        made.take(router, {"a": counted(counters[router])}, 1.0)
        assert before <= started(made) == expected
        before = expected
