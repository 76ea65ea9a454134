"""One scenario of a policy's life, with an operator that is struck at its Nth write.

Most operators work inside the test: a cancelled task behind a proxy that lets no further request pass is, to the API
server, the same as a killed process, and costs no start of an interpreter.
"""

import asyncio
import sys
from dataclasses import dataclass, field

from cutting import Cut, CuttingProxy
from snapshot import Snapshot, differences, snapshot
from world import API, CHILDREN, World, backend, eventually, policy

from cluster.api import MERGE, Object
from cluster.running import Cluster
from signalbox.controller.run import Operator
from signalbox.plan.children import OperatorSettings

SECONDS = 60.0
POLL_SECONDS = 0.2
QUIET_SECONDS = 0.5

KEYS = {"tenants": [{"name": "team", "keysFrom": [{"secretRef": {"name": "keys"}}]}]}
AUTH = {"apiKey": {"secretRef": {"name": "upstream", "key": "token"}}}


def secret(name: str, **values: str) -> Object:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values}


def scale(world: World, replicas: int) -> None:
    path = f"/apis/apps/v1/namespaces/{world.namespace}/deployments/chat-router/scale"
    world.api.call("PATCH", path, {"spec": {"replicas": replicas}}, MERGE)


def create(world: World) -> None:
    world.apply(secret("keys", one="a-key-of-the-team-1"), secret("upstream", token="the-first-token-of-a"))
    world.apply(backend(auth=AUTH), policy(access=KEYS))


def edit(world: World) -> None:
    """One replica needs no disruption budget: a child goes, others change."""
    scale(world, 1)
    world.apply(policy(model="renamed", access=KEYS))


def rotate(world: World) -> None:
    world.apply(secret("keys", one="a-key-of-the-team-2"), secret("upstream", token="the-second-token-of-a"))


def change_backend(world: World) -> None:
    world.apply(backend(auth=AUTH, url="https://other.example.com/v1", limits={"maxInFlight": 7}))


def spoil(world: World) -> None:
    world.apply(policy(model="renamed", when="query.char > 1", access=KEYS))


def correct(world: World) -> None:
    scale(world, 3)
    world.apply(policy(model="corrected", access=KEYS))


def delete(world: World) -> None:
    """Until Kubernetes' garbage collector has been there, which takes its time."""
    world.api.delete(API, "RoutingPolicy", "chat", world.namespace)
    world.api.delete(API, "ModelBackend", "a", world.namespace)
    eventually(lambda: all(world.absent(version, kind) for version, kind in CHILDREN))


def speak(world: World) -> None:
    """Its status shows that the operator is there and has looked at everything."""
    world.apply(backend("last"))


SPOKEN = "ModelBackend/last"
SCENARIO = (create, edit, rotate, change_backend, spoil, correct, delete, speak)


def settings() -> OperatorSettings:
    return OperatorSettings(image="signalbox:test")


@dataclass
class Run:
    """What became of one run: whether the Nth write came, what differs from the undisturbed run, and what was written
    after all was as it should be."""

    struck: bool = False
    differences: list[str] = field(default_factory=list)
    later: list[str] = field(default_factory=list)


class Scene:
    """A namespace with an operator behind a proxy."""

    def __init__(
        self, cluster: Cluster, proxy: CuttingProxy, namespace: str, cut: Cut, *, process: bool = False
    ) -> None:
        self.world, self.cut = World(cluster, namespace), cut
        self._operate = self._in_process if process else self._in_task
        proxy.cuts[namespace] = cut
        self._proxy, self._namespace = proxy, namespace

    async def undisturbed(self) -> list[Snapshot]:
        """What each step leads to."""
        found = []
        living = asyncio.create_task(self._live())
        try:
            for step in SCENARIO:
                await asyncio.to_thread(step, self.world)
                found.append(await self._settled())
        finally:
            await self._end(living)
        return found

    async def compared(self, expected: list[Snapshot]) -> Run:
        """Go through the scenario to the step in which the cut falls; all must end as it does undisturbed.

        What comes later begins from the same state as undisturbed: only the last step follows.
        """
        result = Run()
        living = asyncio.create_task(self._live())
        try:
            for step, wanted in zip(SCENARIO, expected, strict=True):
                await asyncio.to_thread(step, self.world)
                result.differences = await self._reaches(wanted)
                if self.cut.done or result.differences:
                    break
            if self.cut.done and not result.differences:
                await asyncio.to_thread(speak, self.world)
                result.differences = await self._reaches({**wanted, SPOKEN: expected[-1][SPOKEN]})
                count = len(self.cut.writes)
                await asyncio.sleep(QUIET_SECONDS)
                result.later = self.cut.writes[count:]
        finally:
            await self._end(living)
        result.struck = self.cut.done
        return result

    async def _live(self) -> None:
        """An operator, and after its death another one."""
        while True:
            await self._operate()
            self.cut.mend()

    async def _in_task(self) -> None:
        operator = asyncio.create_task(Operator(settings(), (self._namespace,)).run())
        self.cut.struck = operator.cancel
        try:
            await asyncio.wait({operator})
        finally:
            operator.cancel()
            await asyncio.gather(operator, return_exceptions=True)

    async def _in_process(self) -> None:
        arguments = ["--image", settings().image, "--dev", "--probes", "127.0.0.1:0", "--namespace", self._namespace]
        operator = await asyncio.create_subprocess_exec(sys.executable, "-m", "signalbox.cli", "operator", *arguments)
        self.cut.struck = operator.kill
        try:
            await operator.wait()
        finally:
            if operator.returncode is None:
                operator.kill()
                await operator.wait()

    async def _end(self, living: asyncio.Task[None]) -> None:
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)
        del self._proxy.cuts[self._namespace]

    async def _reaches(self, wanted: Snapshot) -> list[str]:
        loop = asyncio.get_running_loop()
        until = loop.time() + SECONDS
        while True:
            found = differences(wanted, await self._seen())
            if not found or loop.time() > until:
                return found
            await asyncio.sleep(POLL_SECONDS)

    async def _settled(self) -> Snapshot:
        """The state after a while in which nothing changed."""
        seen, same = await self._seen(), 0
        while same < 8:
            await asyncio.sleep(POLL_SECONDS)
            now = await self._seen()
            seen, same = now, same + 1 if now == seen else 0
        return seen

    async def _seen(self) -> Snapshot:
        return await asyncio.to_thread(snapshot, self.world.api, self._namespace)
