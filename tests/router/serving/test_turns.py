"""More requests than a worker begins in one turn of its loop."""

import asyncio
from collections.abc import Iterator

import pytest

from harness import Router, StartRouter, Upstream, backend, chat, completion, config, policy, request, response
from signalbox.router.serving import turns
from signalbox.router.serving.turns import LATE_SECONDS, LONGEST_WAIT_SECONDS, MOST_BEGUN, MOST_SECONDS, REFUSING, Turns
from signalbox.router.wire.errors import Refusal
from waiting import until


class Client:
    """Says when it was served, which takes its time."""

    def __init__(self, number: int, world: "World") -> None:
        self.number = number
        self.world = world
        self.waits = False

    def wait(self) -> None:
        assert not self.waits
        self.waits = True

    def serve_next(self, refusal: Refusal | None = None) -> None:
        self.world.served.append((self.number, refusal.code if refusal else ""))
        self.world.refusals += [refusal] if refusal else []
        self.world.now += self.world.refusing_takes if refusal else self.world.serving_takes


class World:
    """Turns, clients that arrive, and a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.serving_takes = 0.0
        self.refusing_takes = 0.0
        self.turns = Turns(lambda: self.now)
        self.served: list[tuple[int, str]] = []
        self.refusals: list[Refusal] = []
        self.arrived = 0

    def arrive(self, count: int) -> None:
        for _ in range(count):
            self.turns.begin(Client(self.arrived, self))
            self.arrived += 1

    async def turn(self) -> int:
        """How many were served in it."""
        before = len(self.served)
        await asyncio.sleep(0)
        return len(self.served) - before


@pytest.fixture
def world() -> Iterator[World]:
    found = World()
    yield found
    assert sorted(number for number, _ in found.served) == list(range(found.arrived)), "everybody, and nobody twice"


async def test_a_few_are_served_as_they_come(world: World) -> None:
    world.arrive(MOST_BEGUN)
    assert [number for number, _ in world.served] == list(range(MOST_BEGUN))
    assert await world.turn() == 0
    world.arrive(1)
    assert len(world.served) == MOST_BEGUN + 1


async def test_each_turn_begins_some_in_the_order_in_which_they_came(world: World) -> None:
    world.arrive(3 * MOST_BEGUN + 10)
    assert len(world.served) == MOST_BEGUN
    assert await world.turn() == MOST_BEGUN
    world.arrive(5)  # behind those who wait
    assert len(world.served) == 2 * MOST_BEGUN
    assert await world.turn() == MOST_BEGUN
    assert await world.turn() == 15
    world.arrive(MOST_BEGUN)
    assert len(world.served) == 4 * MOST_BEGUN, "the fifteen counted for that turn"
    assert await world.turn() == 15
    assert await world.turn() == 0
    assert [number for number, _ in world.served] == list(range(world.arrived))


async def test_the_last_to_come_is_first_while_somebody_waits_for_long(world: World) -> None:
    world.arrive(2 * MOST_BEGUN + 10)
    world.now += LATE_SECONDS * 1.1
    world.arrive(1)
    assert await world.turn() == MOST_BEGUN
    assert world.served[MOST_BEGUN][0] == world.arrived - 1
    assert await world.turn() == 11
    assert await world.turn() == 0


async def test_a_turn_ends_when_it_has_lasted_long(world: World) -> None:
    world.serving_takes = MOST_SECONDS * 0.4
    world.arrive(7)
    assert len(world.served) == 3, "the third began in time"
    assert await world.turn() == 3
    world.arrive(1)
    assert len(world.served) == 6, "behind the one who waits"
    assert await world.turn() == 2
    assert [number for number, _ in world.served] == list(range(8))


async def test_who_has_waited_too_long_is_refused(world: World) -> None:
    early = 3 * MOST_BEGUN
    world.arrive(MOST_BEGUN + early)
    world.now += LONGEST_WAIT_SECONDS + 0.5
    world.arrive(MOST_BEGUN)
    assert await world.turn() == early + MOST_BEGUN, "nobody who has just come is refused, however long a turn was"
    world.arrive(1)
    refused = [number for number, code in world.served if code == "router_overloaded"]
    assert refused == list(range(MOST_BEGUN, MOST_BEGUN + early)), "the longest first, and nobody who has just come"
    assert len({id(refusal) for refusal in world.refusals}) == early, "or each would keep the frames of all"


async def test_refusing_leaves_time_to_serve(world: World) -> None:
    world.refusing_takes, world.serving_takes = 0.0001, 0.001
    many = 500
    world.arrive(many)
    world.now += LONGEST_WAIT_SECONDS + 0.5
    began, served = world.now, len(world.served)
    while await world.turn():
        world.arrive(5)
        if world.now > began + 0.2:
            break
    took, refused = world.now - began, len(world.refusals)
    spare = MOST_SECONDS + world.refusing_takes
    assert refused * world.refusing_takes <= took * REFUSING + spare
    assert refused * world.refusing_takes >= took * REFUSING - spare, "and is not put off"
    assert len(world.served) - served - refused > 100
    world.serving_takes = 0.0
    while await world.turn():
        pass


@pytest.fixture
async def router(start_router: StartRouter, upstream: Upstream) -> Router:
    upstream.reply = response(200, completion())
    target = backend(upstream)
    return await start_router(config(policy(target), target))


async def test_all_of_many_clients_are_served(router: Router, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "MOST_BEGUN", 2)
    clients = [await router.connect() for _ in range(20)]
    for client in clients:
        await client.send(request(body=chat()) * 3)
    for client in clients:
        assert [(await client.answer()).status for _ in range(3)] == [200] * 3


async def test_a_refused_request_leaves_the_connection_and_the_one_behind_it(
    router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "MOST_BEGUN", 0)
    monkeypatch.setattr(turns, "LONGEST_WAIT_SECONDS", -1.0)  # everybody has waited too long
    client = await router.connect()
    await client.send(request(body=chat()) * 2)
    refused = await client.answer()
    monkeypatch.setattr(turns, "LONGEST_WAIT_SECONDS", 60.0)
    monkeypatch.setattr(turns, "MOST_BEGUN", 64)
    assert (refused.status, refused.code) == (503, "router_overloaded")
    assert refused.header("retry-after") == b"1"
    assert (await client.answer()).status in {200, 503}
    assert (await client.ask(request(body=chat()))).status == 200
    assert {c.second for c in router.statistics.snapshot().rejected} == {"router_overloaded"}


async def test_a_client_that_leaves_while_it_waits_is_forgotten(
    router: Router, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "MOST_BEGUN", 0)
    monkeypatch.setattr(turns, "LONGEST_WAIT_SECONDS", 60.0)
    client = await router.connect()
    await client.send(request(body=chat()))
    await router.connections(1)
    await until(lambda: router.statistics.snapshot().waiting == 1)
    client.leave()
    await router.connections(0)
    monkeypatch.setattr(turns, "MOST_BEGUN", 64)
    other = await router.connect()
    assert (await other.ask(request(body=chat()))).status == 200
    assert len(upstream.requests) == 1
    assert router.statistics.snapshot().waiting == 0
    assert router.proxy.room.held == 0
