"""Leases of limits: how one is divided among routers."""

from typing import TypeVar

import pytest

from signalbox.feedback.leases import MINUTE, SETTLING, Amounts, Division, Use, leases

What = TypeVar("What")
LIMITS = Amounts(in_flight=8, requests=60, tokens=6000)


def use(at: float, lease: Amounts, most: Amounts | None = None, **counters: int) -> Use:
    return Use(at=at, lease=lease, most=most or lease, **counters)


def settled(names: str, limits: Amounts, at: float, division: Division, **started: int) -> Division:
    """Everybody applies what it was told and spends nothing."""
    usage = {
        name: use(at, division.leases.get(name, Amounts(*(0 if x is not None else None for x in limits))),
                  started=started.get(name, 0))
        for name in names
    }  # fmt: skip
    return leases(limits, usage, division, at)


def test_where_nobody_is_nothing_is_divided() -> None:
    division = Division()
    for second in range(int(SETTLING + MINUTE) + 3):
        division = leases(LIMITS, {}, division, float(second))
    assert division.settled and not division.ended
    assert leases(LIMITS, {}, division, 1000.0) is division


@pytest.mark.parametrize("counter", ["started", "shed", "tokens"])
def test_any_counter_that_went_back_is_that_of_another_process(counter: str) -> None:
    lease, spent = Amounts(requests=50), dict.fromkeys(("started", "shed", "tokens"), 1000)
    division = leases(Amounts(requests=100), {"a": use(0.0, lease, **spent)}, Division(began=-SETTLING), 0.0)
    division = leases(Amounts(requests=100), {"a": use(1.0, lease, **{**spent, counter: 0})}, division, 1.0)
    assert len(division.ended) == 1
    assert division.routers["a"].wants is None


def test_nothing_is_lost_to_rounding() -> None:
    division = Division(began=-SETTLING)
    for at in range(10):
        division = settled("abc", Amounts(requests=5), float(at), division)
    assert sorted(part.requests or 0 for part in division.leases.values()) == [1, 2, 2]
    assert all(part.tokens is None and part.in_flight is None for part in division.leases.values())


def test_one_router_has_it_all_and_no_router_is_no_error() -> None:
    assert leases(LIMITS, {}, Division(), 0.0).leases == {}
    division = settled("a", LIMITS, 1.0, settled("a", LIMITS, 0.0, Division(began=-SETTLING)))
    assert division.leases == {"a": LIMITS}


def test_parts_follow_recent_use_and_newcomers_have_a_floor() -> None:
    division, busy = Division(), 0
    for second in range(120):  # nobody has anything at first: what nobody claims is free after a minute
        busy += 10
        division = settled("abc", Amounts(requests=1000), float(second), division, a=busy)
    parts = {name: part.requests or 0 for name, part in division.leases.items()}
    assert sum(parts.values()) <= 1000
    assert parts["a"] >= 850
    assert min(parts["b"], parts["c"]) >= 30


def test_a_new_leader_raises_nothing_before_it_can_have_heard_of_everybody() -> None:
    division, limit = Division(), Amounts(requests=100)
    for at in range(int(SETTLING)):
        division = leases(limit, {"a": use(float(at), Amounts(requests=40))}, division, float(at))
        assert division.leases == {}, "it goes on as it does"
    division = leases(limit, {"a": use(SETTLING - 0.5, Amounts(requests=50))}, division, SETTLING - 0.5)
    assert division.leases == {}, "also where it has given up waiting for a lease"
    usage = {name: use(SETTLING, Amounts(requests=part)) for name, part in {"a": 40, "b": 55}.items()}
    division = leases(limit, usage, division, SETTLING)
    assert sum(part.requests or 0 for part in division.leases.values()) <= 100


def test_what_is_kept_short_wants_more_than_it_uses() -> None:
    division = Division()
    started = dict.fromkeys("ab", 0)
    for second in range(60):
        usage = {}
        for name in "ab":
            lease = division.leases.get(name, Amounts(requests=30))
            started[name] += 1
            usage[name] = use(float(second), lease, started=started[name], shed=9 * second if name == "b" else 0)
        division = leases(Amounts(requests=60), usage, division, float(second))
    parts = division.leases
    assert (parts["b"].requests or 0) > 3 * (parts["a"].requests or 0)


def test_a_part_that_was_spent_is_not_given_again_before_its_minute_is_over() -> None:
    limit = Amounts(requests=100)
    usage = {
        "a": use(0.0, Amounts(requests=100), Amounts(requests=100), started=100),
        "b": use(0.0, Amounts(requests=0)),
    }
    division = leases(limit, usage, Division(began=-SETTLING), 0.0)
    lowered = division.leases["a"]
    assert (lowered.requests or 0) < 100
    assert division.leases["b"].requests == 0
    usage = {"a": use(30.0, lowered, Amounts(requests=100), started=100), "b": use(30.0, Amounts(requests=0))}
    division = leases(limit, usage, division, 30.0)
    assert division.leases["b"].requests == 0
    usage = {"a": use(61.0, lowered, lowered, started=100), "b": use(61.0, Amounts(requests=0))}
    division = leases(limit, usage, division, 61.0)
    assert (division.leases["b"].requests or 0) + (lowered.requests or 0) == 100


def test_who_is_cut_off_keeps_its_part_and_who_has_ended_leaves_it_after_a_minute() -> None:
    limit = Amounts(requests=90)
    division = Division(began=-SETTLING)
    for at in range(5):
        division = settled("abc", limit, float(at), division)
    a = division.leases["a"]
    for at in range(5, 300):
        usage = {name: use(float(at), division.leases[name]) for name in "bc"} | {"a": use(4.0, a)}
        division = leases(limit, usage, division, float(at))
        assert division.leases["a"] == a
    assert sum(part.requests or 0 for part in division.leases.values()) == 90
    for at in range(300, 300 + int(MINUTE) + 5):
        usage = {name: use(float(at), division.leases[name]) for name in "bc"}
        division = leases(limit, usage, division, float(at))
        expected = 60 if at < 300 + MINUTE else 90
        assert sum(part.requests or 0 for part in division.leases.values()) <= expected
    assert sum(part.requests or 0 for part in division.leases.values()) == 90


def in_turn(lives: dict[str, range], limits: Amounts, division: Division, seconds: range) -> list[dict[str, Amounts]]:
    """Routers that live so long each, begin with a tenth of a half, and apply at once what they are told; what is in
    force of each, by second. Nobody spends anything."""
    found: list[dict[str, Amounts]] = [{}]
    begun = Amounts(*(None if limit is None else limit // 20 for limit in limits))
    for at in seconds:
        before = found[-1] | division.leases
        found.append({name: before.get(name, begun) for name, life in lives.items() if at in life})
        usage = {name: use(float(at), lease) for name, lease in found[-1].items()}
        division = leases(limits, usage, division, float(at))
    return found[1:]


def total(parts: dict[str, Amounts]) -> Amounts:
    return Amounts(*(sum(part[index] or 0 for part in parts.values()) for index in range(3)))


HUNDRED = Amounts(in_flight=100, requests=100, tokens=100)


@pytest.mark.parametrize("start", [0, 3, 8, 14, 15, 16, 40])
def test_routers_of_a_new_limit_have_it_all_as_soon_as_they_are_known(start: int) -> None:
    settled = int(SETTLING) + 1
    applied = in_turn({"a": range(start, 99)}, HUNDRED, Division(inherited=False), range(60))
    assert all(total(parts).requests in {5, 100} for parts in applied[start:])
    assert all(total(parts) == HUNDRED for parts in applied[max(start + 1, settled) :])


@pytest.mark.parametrize("start", [0, 3, 8, 14, 15, 16, 40])
def test_who_comes_under_a_new_leader_keeps_what_it_began_with_until_nobody_else_can_have_spent_the_rest(
    start: int,
) -> None:
    settled = int(SETTLING) + 1
    applied = in_turn({"a": range(start, 99)}, HUNDRED, Division(), range(99))
    assert {total(parts).requests for parts in applied[start : settled + int(MINUTE) - 1]} == {5}
    assert {total(parts).in_flight for parts in applied[max(start + 1, settled) :]} == {100}, "nobody had any in flight"
    assert {total(parts) for parts in applied[settled + int(MINUTE) :]} == {HUNDRED}


def rollout(second: int) -> list[dict[str, Amounts]]:
    """Two routers are replaced, one at 100 s and one then."""
    lives = {"a": range(100), "b": range(second), "c": range(100, 999), "d": range(second, 999)}
    return in_turn(lives, HUNDRED, Division(inherited=False), range(190))


@pytest.mark.parametrize("second", [100, 101, 110, 120])
def test_routers_that_come_in_place_of_others_have_at_once_what_those_had_in_flight(second: int) -> None:
    applied = rollout(second)
    for at in range(100, 190):
        assert total(applied[at]).in_flight == 100 or at - 2 <= max(mark for mark in (100, second) if mark <= at)


@pytest.mark.parametrize("second", [100, 101, 110, 120])
def test_nothing_is_taken_from_anybody_for_what_an_ended_router_may_have_spent(second: int) -> None:
    applied = rollout(second)
    for at in range(100, 190):
        assert all((part.requests or 0) >= 5 for part in applied[at].values())
        assert (total(applied[at]).requests or 0) <= 100
    assert total(applied[second + int(MINUTE) + 1]).requests == 100


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_fewer_than_one_for_each_is_not_exceeded(limit: int) -> None:
    division = Division(began=-SETTLING)
    for at in range(4):
        division = settled("abcde", Amounts(requests=limit), float(at), division)
    assert sum(part.requests or 0 for part in division.leases.values()) == limit
