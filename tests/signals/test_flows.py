"""Rates are of the last seconds, whatever routers do."""

import pytest

from signalbox.control.messages import Sent, Traffic, Ways
from signalbox.signals.flows import MAX_WAYS, SILENT_SECONDS, WINDOW_SECONDS, Flow, Meter, Way


def counted(number: int, **more: int) -> dict[str, Traffic]:
    return {"b": Traffic(known=2, usable=1, causes=("connect",), requests=number, **more)}


def test_what_was_counted_before_we_listened_is_not_of_now() -> None:
    meter = Meter()
    meter.report("x", counted(1000), {})
    meter.flows(0.0)
    meter.report("x", counted(1040, failures=10, output_tokens=400, first_tokens=20, first_token_ms=5000), {})
    flow = meter.flows(4.0).backends["b"]
    assert flow == Flow(
        requests=10.0, tokens=100.0, errors=0.25, first_token=0.25, known=2, usable=1, causes=("connect",)
    )


def test_rates_are_of_the_last_seconds() -> None:
    meter = Meter()
    for second in range(60):
        meter.report("x", counted(10 * min(second, 30)), {})
        flow = meter.flows(float(second)).backends["b"]
        if 1 <= second <= 30:
            assert flow.requests == pytest.approx(10.0)
    assert flow.requests == 0.0
    assert flow.errors is None, "nobody asked, so nothing failed"
    assert second > 30 + WINDOW_SECONDS


def test_a_router_that_begins_anew_counts_from_nothing() -> None:
    meter = Meter()
    meter.report("x", counted(100), {})
    meter.flows(0.0)
    meter.report("x", counted(110), {})
    meter.report("x", counted(20), {})
    assert meter.flows(10.0).backends["b"].requests == pytest.approx(3.0)


def test_a_router_that_goes_takes_nothing_back() -> None:
    meter = Meter()
    for router in ("x", "y"):
        meter.report(router, counted(0), {})
    meter.flows(0.0)
    for router in ("x", "y"):
        meter.report(router, counted(50), {})
    meter.gone("x")
    assert meter.flows(10.0).backends["b"].requests == pytest.approx(10.0)
    meter.gone("y")
    after = meter.flows(10.0).backends["b"]
    assert (after.usable, after.causes) == (None, ())


def test_a_silent_router_counts_as_gone() -> None:
    now = 0.0
    meter = Meter(lambda: now)
    meter.report("x", counted(0), {})
    assert meter.flows(0.0).backends["b"].usable == 1
    now = SILENT_SECONDS + 1.0
    assert meter.flows(1.0).backends["b"].usable is None


def test_an_endpoint_is_usable_when_any_router_may_use_it() -> None:
    meter = Meter()
    meter.report("x", {"b": Traffic(known=2, usable=2)}, {})
    meter.report("y", {"b": Traffic(known=2, usable=0, causes=("connect",))}, {})
    flow = meter.flows(0.0).backends["b"]
    assert (flow.known, flow.usable, flow.causes) == (2, 2, ())


def test_ways_are_told_apart() -> None:
    def sent(number: int) -> Ways:
        return {"p": {"r": {"t": Sent(requests=number, failed=number // 2), "u": Sent(requests=4)}}}

    meter = Meter()
    meter.report("x", {}, sent(0))
    meter.flows(0.0)
    meter.report("x", {}, sent(20))
    assert meter.flows(10.0).ways == {"p": {"r": {"t": Way(requests=2.0, errors=0.5), "u": Way()}}}


def test_names_that_routers_say_are_bounded() -> None:
    meter = Meter()
    for router in range(20):
        ways = {f"{router}": {"r": {f"t{number}": Sent(requests=1) for number in range(500)}}}
        meter.report(f"{router}", {}, ways)
        meter.gone(f"{router}")
    found = meter.flows(0.0).ways
    assert sum(len(targets) for routes in found.values() for targets in routes.values()) == MAX_WAYS


def test_very_many_backends_leave_room_for_ways() -> None:
    meter = Meter()
    meter.report("x", {f"b{n}": Traffic() for n in range(MAX_WAYS)}, {"p": {"r": {"t": Sent(requests=5)}}})
    assert "p" in meter.flows(0.0).ways


def test_what_nobody_says_any_more_is_forgotten() -> None:
    meter = Meter()
    meter.report("liar", {}, {"p": {"r": {f"t{n}": Sent(requests=1) for n in range(MAX_WAYS)}}})
    meter.flows(0.0)
    meter.gone("liar")
    for look in (1, 2):
        meter.flows(look * (WINDOW_SECONDS + 1.0))
    meter.report("x", {}, {"p": {"r": {"t": Sent(requests=5)}}})
    assert set(meter.flows(3 * (WINDOW_SECONDS + 1.0)).ways["p"]["r"]) == {"t"}
    meter.report("x", {}, {"p": {"r": {"t": Sent(requests=16)}}})
    assert meter.flows(4 * (WINDOW_SECONDS + 1.0)).ways["p"]["r"]["t"].requests == 1.0


def test_what_comes_back_is_not_counted_again() -> None:
    meter = Meter()
    way: Ways = {"p": {"r": {"t": Sent(requests=500)}}}
    meter.report("x", counted(1000, shed=100), way)
    meter.flows(0.0)
    meter.report("x", {}, {})  # a policy was edited, and edited back
    meter.report("x", counted(1000, shed=100), way)
    flows = meter.flows(10.0)
    assert (flows.backends["b"].requests, flows.backends["b"].shed) == (0.0, 0.0)
    assert flows.ways["p"]["r"]["t"].requests == 0.0


def test_what_was_turned_away_is_counted_and_rates_say_over_how_long() -> None:
    meter = Meter()
    assert meter.flows(0.0).seconds == 0.0
    meter.report("x", counted(0), {})
    meter.report("x", counted(10, shed=20), {})
    flows = meter.flows(4.0)
    assert flows.seconds == 4.0
    assert flows.backends["b"].shed == 5.0
    meter.gone("x")
    assert meter.flows(5.0).seconds == 0.0
