"""kopf on a real API server: what ends it does not end us."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web
from ending import kopf_ended
from faulty import Fault, Proxy, is_list, is_watch
from world import World, backend

from cluster.api import Object
from cluster.running import Cluster
from signalbox.controller.watching.supervisor import Supervisor
from signalbox.kube.resources import Resource

SECONDS = 40.0
# Of a start, which lists and begins to watch: moments at which it is ended, over this time.
MOMENTS = 60
START_SECONDS = 0.4
MANY = 20
ERROR = b'{"type":"ERROR","object":{"kind":"Status","code":500,"reason":"InternalError","message":"etcd"}}\n'
EXPIRED = b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}\n'


def of_backends(kind: Callable[[web.Request], bool]) -> Callable[[web.Request], bool]:
    return lambda request: "modelbackends" in request.path and kind(request)


# Those that end kopf: nobody has watched until it has started again.
ENDS = {"error in a stream", "410 of a watch", "many ends"}
FAULTS = {
    "error in a stream": [Fault(of_backends(is_watch), tail=ERROR)],
    "410 of a watch": [Fault(of_backends(is_watch), status=410, reason="Expired")],
    "410 in a stream": [Fault(of_backends(is_watch), tail=EXPIRED)],
    "cut": [Fault(of_backends(is_watch))],
    "many ends": [Fault(of_backends(is_watch), tail=ERROR, times=3)],
    "500 of a list": [Fault(of_backends(is_list), status=500, reason="InternalError", times=2)],
}


@pytest.fixture
async def proxy(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Proxy]:
    made = Proxy(cluster)
    await made.start()
    monkeypatch.setenv("KUBECONFIG", str(made.kubeconfig(tmp_path / "kubeconfig")))
    yield made
    await made.stop()


@pytest.mark.parametrize(("name", "faults"), FAULTS.items(), ids=FAULTS)
async def test_events_go_on(proxy: Proxy, world: World, name: str, faults: list[Fault]) -> None:
    names: list[str] = []
    missed: list[str] = []

    def noted(resource: Resource, event: str, obj: Object) -> None:
        names.append(obj["metadata"]["name"])

    async def until(holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(SECONDS):
            while not holds():
                await asyncio.sleep(0.02)

    proxy.faults += faults
    world.apply(backend("a"))
    ours = set(asyncio.all_tasks())
    supervisor = Supervisor(noted, (world.namespace,), lambda: missed.append("all"))
    supervisor.start()
    try:
        await until(lambda: "a" in names and not any(fault.times for fault in faults))
        world.apply(backend("b"))
        await until(lambda: "b" in names)
    finally:
        await supervisor.stop()
        await kopf_ended()
    assert bool(missed) == (name in ENDS)
    assert ours <= asyncio.all_tasks()  # kopf cancels what it takes for its own


async def test_an_end_at_any_moment_forgets_nothing(proxy: Proxy, world: World) -> None:
    """What kopf had made and not begun would be told as never awaited, which fails the test."""
    for index in range(MANY):
        world.apply(backend(f"b{index}"))
    for at in range(MOMENTS):
        supervisor = Supervisor(lambda *_: None, (world.namespace,))
        supervisor.start()
        await asyncio.sleep(at / MOMENTS * START_SECONDS)
        await supervisor.stop()
        await kopf_ended()
