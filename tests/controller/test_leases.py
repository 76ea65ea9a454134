"""Limits in a cluster: a real operator leases them to real routers, and no minute ever holds more than the limit."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from connected import LOOPBACK, LeaderService, RouterProcess, Routers, StreamingOperator, pods
from world import World, backend, eventually, policy

from signalbox.sim.profile import Profile
from signalbox.sim.server import SimulatedEngine

PROFILE = Profile(model="m", batch=64, decode_rate=1_000, prefill_rate=100_000, output_tokens=1, jitter=0.0)
LIMIT = 60
# What is promised of any minute.
MOST = 1.1 * LIMIT
MINUTE = 60.0
# Of two routers, the one to which all requests go has nearly all of the limit. Without leases it would be half.
NEARLY_ALL = 0.8 * LIMIT
# What nobody can have without a lease who had next to nothing before.
SOME = LIMIT // 4
# A part is free when the minute of whoever had it is over, and a new leader waits before it gives any away.
PATIENCE = 300.0
REFUSED_SECONDS = 0.1


class Engine:
    """One that is never the bottleneck, on an event loop of its own."""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(30)

    @property
    def url(self) -> str:
        return f"http://{self._engine.address}/v1"

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(30)

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        self._engine = SimulatedEngine("a", PROFILE)
        await self._engine.start()
        self._ready.set()
        await self._end.wait()
        await self._engine.stop()


class Client:
    """Asks one router for more than the whole limit. ``served`` has the times at which it sent what was answered."""

    def __init__(self, router: RouterProcess) -> None:
        self._router, self._end = router, threading.Event()
        self.served: list[float] = []
        self.statuses: Counter[int] = Counter()
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._end.is_set():
            at = time.monotonic()
            status = self._router.ask()
            self.statuses[status] += 1
            if status == 200:
                self.served.append(at)
            else:
                self._end.wait(REFUSED_SECONDS)


@contextmanager
def asking(*routers: RouterProcess) -> Iterator[list[Client]]:
    clients = [Client(router) for router in routers]
    try:
        yield clients
    finally:
        for client in clients:
            client.stop()
    for client in clients:
        assert set(client.statuses) <= {200, 429}


def most(*clients: Client) -> int:
    """What the fullest minute holds of all that the backend got of them."""
    times = sorted(at for client in clients for at in tuple(client.served))
    begin = found = 0
    for end, at in enumerate(times):
        while times[begin] <= at - MINUTE:
            begin += 1
        found = max(found, end - begin + 1)
    return found


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = Engine()
    yield made
    made.close()


@pytest.fixture
def routers(
    world: World, permissive: StreamingOperator, engine: Engine, service: LeaderService, tmp_path: Path
) -> Iterator[Routers]:
    world.apply(backend(url=engine.url, limits={"requestsPerMinute": LIMIT}), policy())
    made = Routers(world, service, tmp_path, *LOOPBACK)
    made.connected()
    yield made
    made.kill()


@pytest.fixture
def successor(access: Path, namespace: str) -> Iterator[list[StreamingOperator]]:
    """Those that are started after the first one."""
    started: list[StreamingOperator] = []
    yield started
    for each in started:
        each.kill()


def test_parts_follow_the_requests_and_outlive_the_operator(routers: Routers, permissive: StreamingOperator) -> None:
    busy, idle = routers.all
    with asking(busy) as (first,):
        eventually(lambda: most(first) >= NEARLY_ALL, PATIENCE)
        permissive.kill()
        eventually(lambda: all("control stream: lost" in router.said for router in routers.all))
        with asking(idle) as (second,):
            eventually(lambda: second.statuses[429])
    assert second.served, "nobody is shut out"
    assert most(first, second) <= MOST


@pytest.mark.long
def test_a_new_leader_moves_parts_and_exceeds_nothing(
    routers: Routers,
    permissive: StreamingOperator,
    access: Path,
    namespace: str,
    successor: list[StreamingOperator],
) -> None:
    busy, idle = routers.all
    with asking(busy) as (first,):
        eventually(lambda: most(first) >= NEARLY_ALL, PATIENCE)
        with asking(idle) as (second,):
            permissive.kill()
            successor.append(StreamingOperator(access, namespace, *LOOPBACK))
            eventually(lambda: all(router.said.count("control stream: connected") == 2 for router in routers.all))
            eventually(lambda: most(second) >= SOME, PATIENCE)
    assert most(first, second) <= MOST


@pytest.mark.long
def test_what_a_router_that_has_ended_spent_is_not_given_away_before_its_minute_is_over(
    world: World, routers: Routers, service: LeaderService, tmp_path: Path
) -> None:
    busy, idle = routers.all
    with asking(busy) as (first,):
        eventually(lambda: most(first) >= NEARLY_ALL, PATIENCE)
    known = {pod["metadata"]["uid"] for pod in pods(world)}
    busy.kill()
    world.api.delete("v1", "Pod", busy.pod["metadata"]["name"], world.namespace)
    pod = eventually(lambda: next(pod for pod in pods(world) if pod["metadata"]["uid"] not in known))
    new = RouterProcess(world, pod, service, tmp_path / pod["metadata"]["name"], LOOPBACK)
    try:
        with asking(idle, new) as (second, third):
            eventually(lambda: min(most(second), most(third)) >= SOME, PATIENCE)
    finally:
        new.kill()
    assert most(first, second, third) <= MOST


@pytest.mark.long
def test_the_part_of_a_pod_that_was_evicted_is_not_kept_for_it(world: World, routers: Routers) -> None:
    """Its object stays, maybe for days; nothing in it runs any more."""
    evicted, left = routers.all
    with asking(evicted) as (first,):
        eventually(lambda: most(first) >= NEARLY_ALL, PATIENCE)
    evicted.kill()
    world.api.patch(
        "v1", "Pod", evicted.pod["metadata"]["name"], {"status": {"phase": "Failed"}}, world.namespace, "status"
    )
    with asking(left) as (second,):
        eventually(lambda: most(second) >= NEARLY_ALL, PATIENCE)
    assert most(first, second) <= MOST


@pytest.mark.long
def test_a_new_leader_takes_into_account_who_ended_with_the_one_before(
    routers: Routers,
    permissive: StreamingOperator,
    access: Path,
    namespace: str,
    successor: list[StreamingOperator],
) -> None:
    busy, idle = routers.all
    with asking(busy) as (first,):
        eventually(lambda: most(first) >= NEARLY_ALL, PATIENCE)
    busy.kill()
    permissive.kill()
    successor.append(StreamingOperator(access, namespace, *LOOPBACK))
    with asking(idle) as (second,):
        eventually(lambda: most(second) >= NEARLY_ALL, PATIENCE)
    assert most(first, second) <= MOST
