"""The closed loop in a cluster: a real operator asks simulated engines, and real routers obey it."""

import asyncio
import re
import threading
import time
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from connected import LOOPBACK, LeaderService, RouterProcess, StreamingOperator, pods
from world import World, backend, eventually, policy

from signalbox.controller.routers.control import SETTLE_SECONDS
from signalbox.sim.client import drive
from signalbox.sim.faults import HEALTHY, Faults
from signalbox.sim.profile import Profile
from signalbox.sim.server import SimulatedEngine

# About 9 requests a second each: either can do alone what the clients of both routers want, for as long as it takes.
PROFILE = Profile(model="m", batch=8, decode_rate=50, prefill_rate=8_000, output_tokens=20, jitter=0.0)
RATE = 3.5
PATIENT, HASTY = "patient", "hasty"
STEP_SECONDS = 4.0
GROUP = "shared-group"
# Seconds after which weights will not move there any more: how fast they do is the law's business.
PATIENCE = 120.0

Weights = Mapping[str, float]


class Engines:
    """Two engines, and clients of both routers, on an event loop of their own."""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(30)
        self.failed: list[str] = []

    def addresses(self) -> dict[str, str]:
        return {name: engine.address for name, engine in self._engines.items()}

    def break_(self, name: str, faults: Faults) -> None:
        asyncio.run_coroutine_threadsafe(self._engines[name].apply(faults), self._loop).result(10)

    def drive(self, routers: list[RouterProcess], *models: str) -> None:
        def note(outcome: Any) -> None:
            if outcome is not None and outcome.problem.startswith("status"):
                self.failed.append(outcome.problem)

        for router in routers:
            for model in models:
                work = drive(f"http://127.0.0.1:{router.port}", model, RATE / len(models), None, note)
                asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(30)

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        self._engines = {name: SimulatedEngine(name, PROFILE) for name in "ab"}
        for engine in self._engines.values():
            await engine.start()
        self._ready.set()
        await self._end.wait()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        for engine in self._engines.values():
            await engine.stop()


@pytest.fixture
def engines() -> Iterator[Engines]:
    made = Engines()
    yield made
    made.close()


def resources(engines: Engines, mode: str = "Active") -> list[Any]:
    """Both policies are served by one group, and differ in how long a sample is good. Weights of the patient one stay
    for so long that a slow machine sees each of them."""
    targets = [{"name": name, "backendRef": {"name": name}} for name in "ab"]
    routes = [{"name": "all", "weighted": {"targets": [{"name": name} for name in "ab"]}}]
    deployment = {"deployment": {"group": "shared"}}
    made = [
        backend(name, url=f"http://{at}/v1", signals={"engine": "VLLM"}, capacity={"concurrency": 8})
        for name, at in engines.addresses().items()
    ]
    return made + [
        policy(
            name,
            model=name,
            targets=targets,
            routes=routes,
            router=deployment,
            feedback={"mode": mode, "interval": interval, "staleAfter": stale},
        )
        for name, interval, stale in ((PATIENT, f"{STEP_SECONDS:.0f}s", "60s"), (HASTY, "1s", "3s"))
    ]


class Routers:
    """Both pods of the group, as processes, and the weights that they go by."""

    def __init__(self, world: World, service: LeaderService, directory: Path) -> None:
        eventually(lambda: len(pods(world, GROUP)) == 2)
        self.all = [
            RouterProcess(world, pod, service, directory / pod["metadata"]["name"], LOOPBACK)
            for pod in pods(world, GROUP)
        ]
        for router in self.all:
            eventually(lambda router=router: "control stream: connected" in router.said)
        self._admin = [int(eventually(lambda r=r: re.search(r"admin on port (\d+)", r.said))[1]) for r in self.all]

    def weights(self, name: str = PATIENT) -> list[Weights]:
        """Of each router."""
        return [
            {
                target: value
                for policy, target, value in self._series("signalbox_router_route_weight", port)
                if policy == name
            }
            for port in self._admin
        ]

    def by_load(self, name: str) -> list[bool]:
        return [
            bool(value)
            for port in self._admin
            for policy, _, value in self._series("signalbox_router_weights_by_load", port)
            if policy == name
        ]

    def of(self, target: str, name: str = PATIENT) -> list[float]:
        """Its weight at each router, where it has one."""
        return [weights[target] for weights in self.weights(name) if target in weights]

    def kill(self) -> None:
        for router in self.all:
            router.kill()

    @staticmethod
    def _series(family: str, port: int) -> list[tuple[str, str, float]]:
        text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
        found = []
        for labels, value in re.findall(rf"^{family}{{([^}}]*)}} (\S+)$", text, re.MULTILINE):
            named = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            found.append((named["policy"], named.get("target", ""), float(value)))
        return found


@pytest.fixture
def routers(
    world: World, permissive: StreamingOperator, engines: Engines, service: LeaderService, tmp_path: Path
) -> Iterator[Routers]:
    world.apply(*resources(engines))
    made = Routers(world, service, tmp_path)
    engines.drive(made.all, PATIENT, HASTY)
    yield made
    made.kill()


def test_weights_reach_every_router_and_outlive_the_operator(
    world: World, routers: Routers, engines: Engines, permissive: StreamingOperator, access: Path, namespace: str
) -> None:
    eventually(lambda: [0.35 < weight < 0.65 for weight in routers.of("a")] == [True, True])
    engines.break_("a", Faults(slow=4.0))
    eventually(lambda: len(routers.of("a")) == 2 and max(routers.of("a")) < 0.3)
    assert eventually(lambda: _status(world, "a"))
    permissive.kill()
    engines.break_("a", HEALTHY)
    kept = routers.weights()
    assert kept[0] == kept[1]
    eventually(lambda: routers.by_load(HASTY) == [False, False])
    assert routers.weights() == kept  # whose samples are good for longer

    second = StreamingOperator(access, namespace, *LOOPBACK)
    try:
        seen = [(time.monotonic(), kept[0]["a"])]

        def weight() -> float:
            seen.append((time.monotonic(), routers.of("a")[0]))
            return seen[-1][1]

        eventually(lambda: weight() and routers.by_load(HASTY) == [True, True], PATIENCE)
        engines.break_("b", Faults(slow=4.0))  # few requests tell little of an idle engine: b shows that a must rise
        eventually(lambda: weight() > 0.4, PATIENCE)
        for (before, was), (at, now) in pairwise(seen):
            steps = 1 + int((at - before) / (0.9 * STEP_SECONDS))  # more than one where we were held up
            assert 0.45**steps * was < now < 1.75**steps * was, seen
    finally:
        second.kill()
    assert not engines.failed


def test_an_engine_that_dies_is_left_and_told_of_and_comes_back(
    world: World, routers: Routers, engines: Engines
) -> None:
    eventually(lambda: len(routers.of("a")) == 2 and min(routers.of("a")) > 0.35)
    engines.break_("a", Faults(dead=True))
    eventually(lambda: routers.of("a") == [0.0, 0.0])
    eventually(lambda: "TargetEjected" in world.told())
    assert _status(world, "a") == 0
    engines.break_("a", HEALTHY)
    eventually(lambda: len(routers.of("a")) == 2 and min(routers.of("a")) > 0.07)  # a little at first
    eventually(lambda: "TargetReturned" in world.told())
    assert not engines.failed  # streams that were cut cannot be asked again


def test_what_only_observes_publishes_nothing(
    world: World, permissive: StreamingOperator, engines: Engines, service: LeaderService, tmp_path: Path
) -> None:
    world.apply(*resources(engines, "Observe"))
    routers = Routers(world, service, tmp_path)
    try:
        assert eventually(lambda: _status(world, "a"))
        time.sleep(SETTLE_SECONDS)  # then it is said what routers report, too
        world.settle()
        before = world.versions()
        time.sleep(4.0)  # of as many steps, none of which says anything new
        assert world.versions() == before
        engines.drive(routers.all, PATIENT)
        for _ in range(5):
            assert routers.weights() == [{}, {}]
            time.sleep(0.5)
    finally:
        routers.kill()


def _status(world: World, target: str) -> int:
    """The effective weight that the status shows, in permille."""
    found = world.api.get("signalbox.dev/v1alpha1", "RoutingPolicy", PATIENT, world.namespace)
    for route in found["status"].get("routes", ()):
        for weight in route["weights"]:
            if weight["target"] == target:
                return int(weight["effectivePermille"])
    raise AssertionError("no weight yet")
