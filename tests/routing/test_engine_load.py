"""What engines say, as conditions may ask."""

from signalbox.routing.engine_load import EngineLoad


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_is_absent_before_it_is_known_and_once_it_is_old() -> None:
    clock = Clock()
    load = EngineLoad(clock)
    assert (load.waiting, load.utilization, load.kv_cache_usage, load.overloaded) == (None, None, None, False)
    load.heard(2.6, 1.2, 0.5, until=10.0)
    assert (load.waiting, load.utilization, load.kv_cache_usage, load.overloaded) == (3, 1.2, 0.5, True)
    clock.now = 10.5
    assert (load.waiting, load.utilization, load.kv_cache_usage, load.overloaded) == (None, None, None, False)
    load.heard(0.0, None, None, until=20.0)
    assert (load.waiting, load.utilization, load.overloaded) == (0, None, False)
    load.forget()
    assert load.waiting is None


def test_overload_begins_at_nine_tenths_and_ends_below_seven() -> None:
    load = EngineLoad(Clock())
    seen = []
    for utilization in (0.5, 0.89, 0.9, 0.8, 0.7, 0.69, 0.8, 0.95):
        load.heard(0.0, utilization, None, until=1.0)
        seen.append(load.overloaded)
    assert seen == [False, False, True, True, True, False, False, True]


def test_one_that_was_overloaded_before_it_fell_silent_begins_anew() -> None:
    clock = Clock()
    load = EngineLoad(clock)
    load.heard(0.0, 1.0, None, until=1.0)
    clock.now = 2.0
    load.heard(0.0, 0.8, None, until=3.0)
    assert not load.overloaded
