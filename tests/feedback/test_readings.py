"""What readings say of the time between them, also where counters move only when a request ends."""

import math
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from signalbox.feedback.backends import BackendState, Sight, observe
from signalbox.feedback.endpoints import Endpoint
from signalbox.feedback.plan import Backend
from signalbox.feedback.readings import LONGEST, Rates, Reading, Window, extended, rates, telling

SCRAPE = 5.0
BACKEND = Backend(name="b", engine="LlamaCpp", endpoints=("e",))


def over(window: Window, length: float = 300.0) -> Rates | None:
    part = telling(window, length)
    return rates(part[0], part[-1]) if part else None


class LateEngine:
    """``slots`` sequences at ``speed`` tokens/s each; what it has produced is counted when a request ends."""

    def __init__(self, slots: int, speed: float, mean: float, seed: int) -> None:
        self._random = random.Random(seed)
        self._mean, self.speed = mean, speed
        self._left = [self._length() * self._random.random() for _ in range(slots)]
        self._size = list(self._left)
        self._now = self.counted = 0.0
        self.running = slots

    def _length(self) -> float:
        return self._random.lognormvariate(math.log(self._mean) - 0.5, 1.0)

    def reading(self, at: float) -> Reading:
        passed, self._now = (at - self._now) * self.speed, at
        for slot in range(self.running):
            left = passed
            while self._left[slot] <= left:
                left -= self._left[slot]
                self.counted += self._size[slot]
                self._size[slot] = self._left[slot] = self._length()
            self._left[slot] -= left
        return Reading(at=at, running=self.running, waiting=3, generated=self.counted, late=True)


def observed(engine: LateEngine, count: int) -> list[Endpoint]:
    state, found = BackendState(), []
    for number in range(1, count + 1):
        now = number * SCRAPE
        sight = Sight(readings={"e": engine.reading(now)})
        state = observe(state, BACKEND, sight, now, first=True)
        found.append(state.endpoints["e"])
    return found


def test_a_counter_that_went_back_says_nothing() -> None:
    between = rates(Reading(at=0.0, generated=100.0, finished=9.0), Reading(at=5.0, generated=10.0, finished=1.0))
    assert between == Rates(seconds=5.0)


def test_counters_of_different_series_are_not_compared() -> None:
    before, after = Reading(at=0.0, generated=5.0, source=1), Reading(at=5.0, generated=1e8, source=2)
    assert rates(before, after) == Rates(seconds=5.0)
    late = replace(after, late=True)
    assert extended((replace(before, late=True),), late) == (late,)


def test_prompts_that_were_not_cached_are_work() -> None:
    before = Reading(at=0.0, generated=0.0, prompted=0.0, cached=0.0)
    between = rates(before, Reading(at=5.0, generated=50.0, prompted=300.0, cached=200.0))
    assert between == Rates(seconds=5.0, work=12.0)


def test_of_counters_that_move_with_every_step_two_readings_are_enough() -> None:
    one, two, three = (Reading(at=at, running=4, generated=100.0 * at) for at in (0.0, 5.0, 10.0))
    window = extended(extended(extended((), one), two), three)
    assert window == (two, three)
    assert over(window) == Rates(seconds=5.0, work=100.0)


def test_late_counters_say_nothing_before_enough_requests_have_ended() -> None:
    # Four at once, 300 tokens each: sixteen of them are four request lengths.
    readings = [Reading(at=5.0 * n, running=4, generated=1200.0 * n, late=True) for n in range(8)]
    window: Window = ()
    said = []
    for reading in readings:
        window = extended(window, reading)
        said.append(over(window))
    assert said[:4] == [None] * 4
    assert said[4] == Rates(seconds=20.0, work=240.0)
    assert said[7] == Rates(seconds=20.0, work=240.0)


def test_an_idle_engine_has_counted_all() -> None:
    window: Window = ()
    for at in (0.0, 5.0, 10.0):
        window = extended(window, Reading(at=at, running=0.0, waiting=0.0, generated=700.0, late=True))
    assert over(window) == Rates(seconds=5.0, work=0.0)
    window = extended(window, Reading(at=15.0, running=2.0, waiting=0.0, generated=700.0, late=True))
    assert over(window) is None
    assert window[0].at == 5.0  # what comes now begins where nothing was under way


def test_a_restart_begins_a_window() -> None:
    window: Window = ()
    for at in (0.0, 5.0):
        window = extended(window, Reading(at=at, running=4, generated=9000.0 + at, late=True))
    window = extended(window, Reading(at=10.0, running=4, generated=300.0, late=True))
    assert [reading.at for reading in window] == [10.0]


def test_a_window_ends_even_where_hardly_a_request_does() -> None:
    window: Window = ()
    for number in range(200):
        window = extended(window, Reading(at=5.0 * number, running=4, generated=10.0, late=True))
        assert window[-1].at - window[0].at <= LONGEST
    assert over(window) == Rates(seconds=LONGEST, work=0.0)


@pytest.mark.parametrize(("slots", "speed", "mean"), [(4, 25.0, 300.0), (1, 40.0, 200.0), (8, 5.0, 300.0)])
def test_the_capacity_of_an_engine_with_late_counters_is_learned(slots: int, speed: float, mean: float) -> None:
    learned = []
    for seed in range(5):
        endpoints = observed(LateEngine(slots, speed, mean, seed), 240)
        settled = [endpoint.capacity or 0.0 for endpoint in endpoints[120:]]
        learned.append(sum(settled) / len(settled) / (slots * speed))
    assert sum(learned) / len(learned) == pytest.approx(1.0, abs=0.15)
    assert all(0.6 < each < 1.5 for each in learned)


def test_windows_waver_less_than_two_readings() -> None:
    endpoints = observed(LateEngine(4, 25.0, 300.0, 1), 200)
    windowed = [each.rates.work for each in endpoints[40:] if each.rates is not None and each.rates.work is not None]
    engine = LateEngine(4, 25.0, 300.0, 1)
    readings = [engine.reading(number * SCRAPE) for number in range(1, 201)]
    plain = [between.work for pair in pairwise(readings[39:]) if (between := rates(*pair)) and between.work is not None]
    assert _spread(windowed) < 0.5 * _spread(plain)


late = st.builds(
    Reading,
    at=st.just(0.0),
    running=st.none() | st.floats(0.0, 1e6),
    waiting=st.none() | st.floats(0.0, 1e6),
    generated=st.none() | st.floats(0.0, 1e15),
    finished=st.none() | st.floats(0.0, 1e9),
    late=st.booleans(),
)


@given(st.lists(late, max_size=80), st.floats(1.0, 1e5))
def test_whatever_is_read_a_window_is_in_order_and_bounded(found: list[Reading], length: float) -> None:
    window: Window = ()
    for number, each in enumerate(found):
        window = extended(window, replace(each, at=number * SCRAPE))
        between = over(window, length)
        assert [reading.at for reading in window] == sorted({reading.at for reading in window})
        assert window[-1].at == number * SCRAPE
        assert window[-1].at - window[0].at <= LONGEST
        assert between is None or between.work is None or 0.0 <= between.work < math.inf


def _spread(values: list[float]) -> float:
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / len(values)) / mean
