"""The past is bounded, and has columns of one length."""

from math import isclose

from signalbox.signals.history import MAX_LINES, POINTS, REASONS, STEP_SECONDS, History, Room
from signalbox.signals.view import BackendView, PolicyView, RouteView, SetView, TargetView, View


def at(seconds: float, backends: tuple[BackendView, ...] = (), *targets: TargetView) -> View:
    routes = (RouteView(name="r", sets=(SetView(targets=targets),)),)
    policies = (PolicyView(name="p", interval=5.0, stale_after=15.0, routes=routes),) if targets else ()
    return View(at=seconds, policies=policies, backends=backends)


def backend(name: str, waiting: float = 0.0) -> BackendView:
    return BackendView(name=name, waiting=waiting)


def test_one_view_is_kept_every_few_seconds() -> None:
    history = History()
    for second in range(21):
        history.add(at(float(second)))
    assert history.recorded().at == [0.0, 5.0, 10.0, 15.0, 20.0]
    assert STEP_SECONDS == 5.0


def test_weights_and_loads_are_kept_with_reasons() -> None:
    history = History()
    history.add(
        at(0.0, (backend("a", 3.0),), TargetView(name="t", backend="a", effective=0.25, base=0.5, reason="Load"))
    )
    found = history.recorded()
    assert found.backends["a"]["waiting"] == [3.0]
    assert found.backends["a"]["kvUsage"] == [None], "what is not known is no number"
    line = found.weights["p/r/0/t"]
    assert (line["effective"], line["base"]) == ([0.25], [0.5])
    assert line["reason"] == [float(REASONS.index("Load"))]


def test_what_comes_later_and_what_goes_leaves_gaps() -> None:
    history = History()
    history.add(at(0.0, (backend("a", 1.0),)))
    history.add(at(5.0, (backend("b", 2.0),)))
    found = history.recorded().backends
    assert (found["a"]["waiting"], found["b"]["waiting"]) == ([1.0, None], [None, 2.0])


def test_the_ring_is_bounded_and_forgets_what_has_gone() -> None:
    history = History()
    history.add(at(0.0, (backend("a"),)))
    for step in range(1, 3 * POINTS):
        history.add(at(5.0 * step, (backend("b", float(step)),)))
    found = history.recorded()
    assert len(found.at) == POINTS == len(found.backends["b"]["waiting"])
    assert isclose(found.at[-1], 5.0 * (3 * POINTS - 1))
    assert "a" not in found.backends


def test_a_calendar_that_is_set_back_drops_what_would_come_later() -> None:
    history = History()
    for seconds in (990.0, 1000.0, 1005.0, 1010.0, 998.0, 1003.0, 400.0, 405.0):
        assert history.due(seconds)
        history.add(at(seconds, (backend("a", seconds),)))
        if seconds == 1003.0:
            assert history.recorded().at == [990.0, 998.0, 1003.0]
            assert history.recorded().backends["a"]["waiting"] == [990.0, 998.0, 1003.0]
    assert history.recorded().at == history.recorded().backends["a"]["waiting"] == [400.0, 405.0]


def test_lines_are_bounded_over_all_that_share_a_room() -> None:
    room = Room(10)
    first, second = History(room), History(room)
    first.add(at(0.0, tuple(backend(f"b{number}") for number in range(7))))
    second.add(at(0.0, tuple(backend(f"b{number}") for number in range(7))))
    assert (len(first.recorded().backends), len(second.recorded().backends)) == (7, 3)
    first.close()
    second.add(at(5.0, tuple(backend(f"b{number}") for number in range(7))))
    assert len(second.recorded().backends) == 7
    assert second.recorded().backends["b6"]["waiting"] == [None, 0.0]


def test_alone_there_is_room_for_very_many() -> None:
    history = History()
    history.add(at(0.0, tuple(backend(f"b{number}") for number in range(MAX_LINES + 50))))
    assert len(history.recorded().backends) == MAX_LINES


def test_what_finds_no_room_asks_for_no_view() -> None:
    history = History(Room(0))
    assert not history.due(0.0)
    history.add(at(0.0, (backend("a"),)))
    assert history.recorded().at == []
