"""Leases of limits, and routers that obey them: no minute holds more than the limit, whatever is lost on the way."""

import random
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from signalbox.feedback.leases import SETTLING, Amounts, Division, Use, leases
from signalbox.routing.config import Limits
from signalbox.routing.limits import BackendLimits

What = TypeVar("What")
LIMITS = Amounts(in_flight=8, requests=60, tokens=6000)


class World:
    """Routers that obey their parts; what travels between them and the operator is late, or lost."""

    def __init__(self, limit: int, count: int, seed: int, loss: float) -> None:
        self.limit, self.loss, self.random = limit, loss, random.Random(seed)
        self.division = Division()
        self.heard: dict[str, Use] = {}
        self.routers = {f"r{i}": Obedient(limit, limit // count) for i in range(count)}
        self.up: list[tuple[float, str, Use]] = []
        self.down: list[tuple[float, str, int]] = []
        self.sent: deque[float] = deque()
        self.worst = 0
        self.served = 0

    def second(self, now: int, demand: dict[str, int], cut: set[str], dead: set[str]) -> None:
        deliver(self.up, now, cut | dead, self._hear)
        deliver(self.down, now, cut | dead, self._tell)
        for name in dead & self.routers.keys():
            del self.routers[name]
            self.heard.pop(name, None)
        order = list(self.routers)
        self.random.shuffle(order)
        for name in order:
            admitted = self.routers[name].offer(now, demand.get(name, 0))
            self.sent.extend([now] * admitted)
            self.served += admitted
            if self.random.random() >= self.loss:
                self.up.append((now + self.random.uniform(0, 3), name, self.routers[name].report(now)))
        if now % 2 == 0:
            self.division = leases(Amounts(requests=self.limit), self.heard, self.division, float(now))
            for name, part in self.division.leases.items():
                if part.requests is not None and self.random.random() >= self.loss:
                    self.down.append((now + self.random.uniform(0, 3), name, part.requests))
        while self.sent and self.sent[0] <= now - 60:
            self.sent.popleft()
        self.worst = max(self.worst, len(self.sent))

    def change_leader(self) -> None:
        """The new one knows nothing, and what was under way is lost."""
        self.division, self.heard, self.up, self.down = Division(), {}, [], []

    def _hear(self, name: str, what: Use) -> None:
        if name in self.routers:
            self.heard[name] = what

    def _tell(self, name: str, what: int) -> None:
        if name in self.routers:
            self.routers[name].lease(what)


def deliver(line: list[tuple[float, str, What]], now: int, away: set[str], to: Callable[[str, What], None]) -> None:
    """A stream keeps the order of what it carries, and one that broke delivers nothing later."""
    held: set[str] = set()
    rest = []
    for at, name, what in line:
        if name in away:
            continue
        if at > now or name in held:
            held.add(name)
            rest.append((at, name, what))
        else:
            to(name, what)
    line[:] = rest


class Obedient:
    """A router that applies its part as real ones do."""

    def __init__(self, limit: int, part: int) -> None:
        self.limits = BackendLimits(Limits(requests_per_minute=limit))
        self.lease(part)
        self.started = self.shed = 0

    def lease(self, part: int) -> None:
        self.limits.lease(Limits(requests_per_minute=part))

    def offer(self, now: int, demand: int) -> int:
        admitted = 0
        while admitted < demand and not self.limits.wait(float(now), 0):
            self.limits.acquire(float(now), 0)
            self.limits.release(float(now))
            admitted += 1
        self.started += admitted
        self.shed += demand - admitted
        return admitted

    def report(self, now: int) -> Use:
        allowance = self.limits.allowance(float(now))
        lease, most, spent = (Amounts(requests=each.requests_per_minute) for each in allowance)
        return Use(at=float(now), lease=lease, most=most, spent=spent, started=self.started, shed=self.shed)


LIMITS, SEEDS, LOSSES = st.integers(10, 400), st.integers(0, 2**32), st.sampled_from([0.0, 0.1, 0.5])
some = settings(max_examples=25, deadline=None)


@some
@given(
    limit=st.integers(1, 400),
    count=st.integers(1, 6),
    seed=SEEDS,
    loss=LOSSES,
    period=st.integers(5, 90),
)
def test_no_minute_ever_holds_more_than_the_limit(limit: int, count: int, seed: int, loss: float, period: int) -> None:
    world = World(limit, count, seed, loss)
    names = list(world.routers)
    for now in range(600):
        busy = names[now // period % count]
        demand = {name: (50 if name == busy else world.random.randrange(3)) for name in names}
        cut = {names[0]} if 150 <= now < 350 or now >= 500 else set()
        dead = {names[-1]} if now >= 200 and count > 1 else set()
        world.second(now, demand, cut, dead)
    assert world.worst <= limit


@some
@given(
    limit=LIMITS,
    count=st.integers(2, 5),
    seed=SEEDS,
    loss=LOSSES,
    newcomers=st.integers(1, 3),
)
def test_newcomers_add_no_more_than_the_little_that_they_begin_with(
    limit: int, count: int, seed: int, loss: float, newcomers: int
) -> None:
    """All old routers have spent all that they may, and new ones are flooded from their first second."""
    world = World(limit, count, seed, loss)
    part = max(1, limit // count // 10)
    for now in range(400):
        if now == 150:
            world.routers |= {f"new{number}": Obedient(limit, part) for number in range(newcomers)}
        world.second(now, dict.fromkeys(world.routers, 60), set(), set())
    assert world.worst <= limit + newcomers * part
    parts = {name: amounts.requests or 0 for name, amounts in world.division.leases.items()}
    if loss < 0.5 and limit >= 10 * (count + newcomers):
        assert min(parts.values()) >= 1, "and in the end everybody has a part"


@some
@given(limit=LIMITS, count=st.integers(2, 5), seed=SEEDS, newcomers=st.integers(1, 3))
def test_newcomers_that_were_heard_before_their_first_request_add_nothing(
    limit: int, count: int, seed: int, newcomers: int
) -> None:
    """What others have spent is not given up by being told so: until it is, who has spent nothing waits."""
    world = World(limit, count, seed, 0.0)
    for now in range(400):
        if now == 150:
            world.routers |= {f"new{number}": Obedient(limit, limit // count) for number in range(newcomers)}
        busy = [name for name in world.routers if not name.startswith("new") or now >= 160]
        world.second(now, dict.fromkeys(busy, 60), set(), set())
    assert world.worst <= limit


@some
@given(
    limit=LIMITS,
    count=st.integers(1, 5),
    seed=SEEDS,
    loss=LOSSES,
    pause=st.integers(1, 40),
)
def test_a_rollout_adds_no_more_than_the_little_that_newcomers_begin_with(
    limit: int, count: int, seed: int, loss: float, pause: int
) -> None:
    """All are flooded all the time, and one after the other is replaced."""
    world = World(limit, count, seed, loss)
    part = max(1, limit // count // 10)
    dead: set[str] = set()
    for now in range(400):
        number, rest = divmod(now - 150, pause)
        if not rest and 0 <= number < count:
            world.routers[f"new{number}"] = Obedient(limit, part)
            dead.add(f"r{number}")
        world.second(now, dict.fromkeys(world.routers, 60), set(), dead)
    assert world.worst <= limit + count * part
    if loss < 0.5:
        assert sum(amounts.requests or 0 for amounts in world.division.leases.values()) >= 0.9 * limit


@some
@given(
    limit=LIMITS,
    count=st.integers(2, 5),
    seed=SEEDS,
    loss=LOSSES,
    later=st.integers(-70, int(SETTLING)),
)
def test_a_new_leader_gives_nothing_away_of_one_that_it_may_never_have_heard(
    limit: int, count: int, seed: int, loss: float, later: int
) -> None:
    """All that it had was spent just before it ended, at about the time at which the leader changed."""
    world = World(limit, count, seed, loss)
    busy, *others = list(world.routers)
    for now in range(500):
        if now == 200:
            world.change_leader()
        if now == 200 + later:
            demand = dict.fromkeys(others, 60)
        elif now < 200 + later:
            demand = {busy: 60}
        world.second(now, demand, set(), {busy} if now >= 200 + later else set())
    assert world.worst <= limit
    parts = [amounts.requests or 0 for amounts in world.division.leases.values()]
    assert sum(parts) >= 0.8 * limit, "and in the end it is theirs"


@some
@given(
    limit=LIMITS,
    count=st.integers(1, 5),
    seed=SEEDS,
    loss=LOSSES,
    later=st.integers(-70, int(SETTLING)),
    pause=st.integers(0, 70),
)
def test_who_comes_for_one_that_ended_with_a_leader_adds_no_more_than_it_begins_with(
    limit: int, count: int, seed: int, loss: float, later: int, pause: int
) -> None:
    world = World(limit, count, seed, loss)
    part = max(1, limit // count // 10)
    for now in range(400):
        if now == 200:
            world.change_leader()
        if now == 200 + later + pause:
            world.routers["new"] = Obedient(limit, part)
        world.second(now, dict.fromkeys(world.routers, 60), set(), {"r0"} if now >= 200 + later else set())
    assert world.worst <= limit + part
    parts = [amounts.requests or 0 for amounts in world.division.leases.values()]
    assert sum(parts) >= 0.8 * limit, "and in the end it is theirs"


def test_moving_parts_serve_nearly_the_whole_limit() -> None:
    """The bound costs little: what moves is not left lying."""
    world = World(300, 4, seed=1, loss=0.1)
    names = list(world.routers)
    for now in range(1200):
        busy = names[now // 300 % 4]
        world.second(now, {name: (20 if name == busy else 0) for name in names}, set(), set())
    assert world.served >= 0.8 * 300 * 20
