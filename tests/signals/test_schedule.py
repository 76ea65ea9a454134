"""When targets come up: evenly spread, each with a phase of its own, and never twice for turns that were missed."""

from itertools import pairwise

from signalbox.signals.schedule import STEP, Schedule, following, turn


def taken(schedule: Schedule[tuple[str, str]], now: float) -> list[tuple[str, float]]:
    found = []
    while (one := schedule.take(now)) is not None:
        found.append((one[0][1], one[1]))
    return found


def many(count: int, interval: float) -> Schedule[tuple[str, str]]:
    schedule: Schedule[tuple[str, str]] = Schedule()
    for number in range(count):
        schedule.set(("backend", f"10.0.0.{number}:8000"), interval, 100.0)
    return schedule


def test_very_many_targets_are_spread_over_the_interval() -> None:
    schedule = many(5000, 5.0)
    taken(schedule, 100.0)
    taken(schedule, 105.0)  # all of them were known when these were planned
    per_slot = [len(taken(schedule, 105.0 + slot / 2)) for slot in range(1, 11)]
    assert sum(per_slot) == 5000
    assert max(per_slot) < 650


def test_of_one_owner_all_are_asked_shortly_before_its_loop_steps() -> None:
    schedule = many(500, 5.0)
    step = following(turn("backend") + STEP, 5.0, 105.0)
    taken(schedule, step - 5.0 * STEP - 0.001)
    assert len(taken(schedule, step)) == 500


def test_owners_have_their_turns_at_times_of_their_own() -> None:
    turns = sorted(turn(f"team-{number}") for number in range(200))
    assert max(after - before for before, after in pairwise(turns)) < 0.05


def test_the_following_time_is_always_later() -> None:
    for phase in (0.0, 0.3, 0.99, 1.4):
        for now in (0.0, 1.5, 99.9):
            assert now < following(phase, 5.0, now) <= now + 5.0 + 1e-9


def test_each_comes_up_once_an_interval_at_its_own_phase() -> None:
    schedule = many(1, 5.0)
    first = schedule.next()
    assert first is not None
    assert 100.0 < first <= 105.0
    assert taken(schedule, first) == [("10.0.0.0:8000", first)]
    assert schedule.next() == first + 5.0


def test_missed_turns_are_lost() -> None:
    schedule = many(100, 5.0)
    assert len(taken(schedule, 1000.0)) == 100
    assert len(taken(schedule, 1005.0)) == 100


def test_another_interval_counts_at_once() -> None:
    schedule = many(1, 60.0)
    schedule.set(("backend", "10.0.0.0:8000"), 1.0, 100.0)
    assert len(taken(schedule, 101.0)) == 1
    assert len(taken(schedule, 102.0)) == 1


def test_who_is_removed_comes_up_no_more() -> None:
    schedule = many(2, 5.0)
    schedule.remove(("backend", "10.0.0.0:8000"))
    assert [key for key, _ in taken(schedule, 200.0)] == ["10.0.0.1:8000"]
    schedule.set(("backend", "10.0.0.0:8000"), 5.0, 200.0)
    assert len(taken(schedule, 300.0)) == 2
