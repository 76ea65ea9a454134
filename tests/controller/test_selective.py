"""Only what matters is worked on: requests counted on their way to a real API server."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from faulty import Proxy
from world import OperatorProcess, World, backend, eventually, policy

from cluster.running import Cluster

QUIET_SECONDS = 1.0


class Counted:
    """An operator behind a proxy. Everything blocking runs in threads: the proxy lives in the test's own loop."""

    def __init__(self, world: World, proxy: Proxy) -> None:
        self.world, self.proxy = world, proxy

    async def apply(self, *objects: dict[str, Any]) -> None:
        await asyncio.to_thread(self.world.apply, *objects)

    async def until(self, question: Any) -> None:
        await asyncio.to_thread(eventually, question)

    def reads(self, name: str) -> int:
        """How often an object was fetched."""
        return self.proxy.count(lambda request: request.method == "GET" and request.path.endswith(f"/{name}"))

    def writes(self) -> int:
        return self.proxy.count(_writes)

    async def rest(self) -> None:
        """Wait until nothing has been asked for a while."""
        seen = -1
        while seen != len(self.busy()):
            seen = len(self.busy())
            await asyncio.sleep(QUIET_SECONDS)

    def busy(self) -> list[web.Request]:
        return [request for request in self.proxy.seen if "/leases" not in request.path]


def _writes(request: web.Request) -> bool:
    return request.method != "GET" and "/leases" not in request.path


def secret(name: str, value: str, **metadata: Any) -> dict[str, Any]:
    data = {"one": value}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, **metadata}, "stringData": data}


@pytest.fixture
async def counted(cluster: Cluster, world: World, namespace: str, tmp_path: Path) -> AsyncIterator[Counted]:
    proxy = Proxy(cluster)
    await proxy.start()
    operator = await asyncio.to_thread(OperatorProcess, proxy.kubeconfig(tmp_path / "kubeconfig"), namespace)
    yield Counted(world, proxy)
    await asyncio.to_thread(operator.kill)
    await proxy.stop()


async def test_what_nobody_refers_to_costs_nothing(counted: Counted) -> None:
    await counted.apply(backend(), policy())
    await counted.until(lambda: counted.world.child("policy/v1", "PodDisruptionBudget"))
    await counted.rest()
    before = len(counted.busy())
    for number in range(5):
        await counted.apply(
            secret("foreign", f"value-{number}"),
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "foreign"}, "data": {"a": str(number)}},
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "foreign"}, "spec": {"ports": [{"port": 80}]}},
        )
    await asyncio.sleep(QUIET_SECONDS)
    assert [request.path for request in counted.busy()[before:]] == []


async def test_a_secret_is_fetched_once_for_each_version(counted: Counted) -> None:
    await counted.apply(secret("keys", "a-key-of-the-team-1"), secret("token", "token-1"))
    auth = {"apiKey": {"secretRef": {"name": "token", "key": "one"}}}
    tenants = {"tenants": [{"name": "team", "keysFrom": [{"secretRef": {"name": "keys"}}]}]}
    await counted.apply(backend(auth=auth), policy(access=tenants))
    await counted.until(lambda: counted.world.child("policy/v1", "PodDisruptionBudget"))
    await counted.rest()
    keys, token = counted.reads("keys"), counted.reads("token")
    assert keys == 1
    assert token <= 2  # again, if its backend was seen before the policy: then no router held the bytes yet
    await counted.apply(policy(access=tenants, model="other"), backend("b"))
    await counted.until(lambda: counted.world.config()["policies"][0]["models"] == ["other"])
    await counted.rest()
    assert (counted.reads("keys"), counted.reads("token")) == (keys, token)
    writes = counted.writes()
    await counted.apply(secret("keys", "a-key-of-the-team-1", labels={"some": "label"}))
    await counted.until(lambda: counted.reads("keys") == 2)
    await counted.rest()
    assert counted.writes() == writes  # a new version, but nothing new in it
    assert counted.reads("token") == token
