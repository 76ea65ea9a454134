"""Leader election on a real API server."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from faulty import Fault, Proxy

from cluster.running import Cluster
from signalbox.kube.client import Client, Object
from signalbox.kube.lease import Lease, LeaseLost, Timing

QUICK = Timing(duration=3.0, renew=1.5, retry=0.3)
# So long that what happens within the limit of a test was not waited for.
LONG = Timing(duration=60.0, renew=1.5, retry=0.3)
LIMIT = 10.0


def lease(client: Client, namespace: str, identity: str, timing: Timing = QUICK) -> Lease:
    return Lease(client, namespace, "leader", identity, timing)


def writes(request: web.Request) -> bool:
    return request.method in {"POST", "PUT"}


@asynccontextmanager
async def kept(held: Lease) -> AsyncIterator[None]:
    task = asyncio.create_task(held.keep())
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_one_of_several_holds_it(client: Client, namespace: str, cluster: Cluster) -> None:
    contenders = [lease(client, namespace, name) for name in "abc"]
    waiting = {asyncio.create_task(each.acquire()) for each in contenders}
    done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED, timeout=LIMIT)
    assert len(done) == 1
    (held,) = [each for each in contenders if each.held]
    async with kept(held):  # longer than it lasts without being renewed
        await asyncio.wait(waiting, timeout=QUICK.duration + 1)
    assert sum(each.held for each in contenders) == 1
    spec = cluster.api.get("coordination.k8s.io/v1", "Lease", "leader", namespace)["spec"]
    assert (spec["holderIdentity"], spec["leaseTransitions"], spec["leaseDurationSeconds"]) == (held.identity, 0, 3)
    for task in waiting:
        task.cancel()


async def test_what_is_released_is_taken_at_once(client: Client, namespace: str, cluster: Cluster) -> None:
    first, second = lease(client, namespace, "first", LONG), lease(client, namespace, "second", LONG)
    await first.acquire()
    waiting = asyncio.create_task(second.acquire())
    await asyncio.sleep(0.5)
    await first.release()
    await asyncio.wait_for(waiting, LIMIT)
    spec = cluster.api.get("coordination.k8s.io/v1", "Lease", "leader", namespace)["spec"]
    assert (spec["holderIdentity"], spec["leaseTransitions"]) == ("second", 1)


async def test_what_nobody_renews_is_taken_after_its_duration(client: Client, namespace: str) -> None:
    first, second = lease(client, namespace, "first"), lease(client, namespace, "second")
    began = time.monotonic()
    await first.acquire()
    await asyncio.wait_for(second.acquire(), LIMIT)
    assert time.monotonic() - began >= QUICK.duration
    with pytest.raises(LeaseLost):
        await asyncio.wait_for(first.keep(), LIMIT)
    await first.release()  # not its own any more: nothing happens
    assert not first.held
    async with kept(second):
        await asyncio.sleep(2 * QUICK.retry)


@pytest.mark.parametrize("fault", [{"hang": True}, {"status": 500}], ids=["hanging", "failing"])
async def test_who_cannot_renew_gives_up_before_it_expires(
    shaky: Client, proxy: Proxy, namespace: str, fault: dict[str, int]
) -> None:
    held = lease(shaky, namespace, "first", LONG)
    await held.acquire()
    proxy.faults.append(Fault(writes, times=1000, **fault))
    with pytest.raises(LeaseLost):
        await asyncio.wait_for(held.keep(), LIMIT)


async def test_a_few_failures_cost_nothing(shaky: Client, proxy: Proxy, namespace: str) -> None:
    held = lease(shaky, namespace, "first")
    proxy.faults += [Fault(writes, status=500), Fault(writes, status=409, reason="Conflict")]
    await asyncio.wait_for(held.acquire(), LIMIT)
    proxy.faults += [Fault(writes, status=500), Fault(writes), Fault(writes, status=409, reason="Conflict")]
    async with kept(held):
        await asyncio.sleep(QUICK.duration)
    assert not any(fault.times for fault in proxy.faults)


async def test_it_is_handed_over_though_a_renewal_was_cut_off(
    shaky: Client, proxy: Proxy, namespace: str, cluster: Cluster
) -> None:
    """It was done, and nobody has heard the answer: the version that was known is no longer the newest."""

    def spec() -> dict[str, object]:
        found: dict[str, object] = cluster.api.get("coordination.k8s.io/v1", "Lease", "leader", namespace)["spec"]
        return found

    held = lease(shaky, namespace, "first", LONG)
    await held.acquire()
    before = spec()
    proxy.faults.append(Fault(writes, hang=True))
    keeping = asyncio.create_task(held.keep())
    async with asyncio.timeout(LIMIT):
        while await asyncio.to_thread(spec) == before:
            await asyncio.sleep(0.01)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    await held.release()
    assert spec()["holderIdentity"] == ""


async def test_what_another_one_holds_is_not_released(client: Client, namespace: str, cluster: Cluster) -> None:
    held = lease(client, namespace, "first", LONG)
    await held.acquire()
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/leader"
    taken = {"spec": {"holderIdentity": "somebody"}}
    await asyncio.to_thread(cluster.api.call, "PATCH", path, taken, "application/merge-patch+json")
    await held.release()
    found = cluster.api.get("coordination.k8s.io/v1", "Lease", "leader", namespace)
    assert found["spec"]["holderIdentity"] == "somebody"


async def test_who_took_long_to_get_it_renews_it_before_anything_else(
    client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a start in a large cluster, where everything is listed meanwhile."""
    create = client.create

    async def slowly(manifest: Object, manager: str) -> Object:
        made = await create(manifest, manager)
        await asyncio.sleep(QUICK.renew - QUICK.retry / 2)
        return made

    monkeypatch.setattr(client, "create", slowly)
    held = lease(client, namespace, "slow")
    await held.acquire()
    async with kept(held):
        await asyncio.sleep(2 * QUICK.retry)
