"""List and watch on a real API server, with what goes wrong between."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from faulty import Fault, Proxy, is_list, is_watch

from cluster.api import MERGE, Object
from cluster.running import Cluster
from signalbox.kube.client import Client
from signalbox.kube.resources import CONFIG_MAPS, SECRETS, Resource
from signalbox.kube.resources import DISRUPTION_BUDGETS as BUDGETS
from signalbox.kube.watch import Timing, follow

SECONDS = 15.0
QUICK = Timing(silence=5.0, first_pause=0.02, longest_pause=0.2)
EXPIRED = b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}\n'
INTERNAL = b'{"type":"ERROR","object":{"kind":"Status","code":500,"reason":"InternalError","message":"etcd"}}\n'
# Cut, hanging, garbage, an event that ends in the middle, an error that is not 410, at the first event and later.
STREAM_FAULTS = {
    "cut": {},
    "cut later": {"events": 1},
    "cut inside an event": {"tail": b'{"type":"ADDED","object":{"meta'},
    "garbage": {"tail": b"<html>bad gateway</html>\n"},
    "error": {"tail": INTERNAL},
    "hanging": {"hang": True},
}


class Seen:
    """What the sink was told."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.lists = 0

    def replaced(self, resource: Resource, namespace: str | None, objects: list[Object], version: str) -> None:
        self.objects = {each["metadata"]["name"]: each for each in objects}
        self.lists += 1
        assert int(version)

    def changed(self, resource: Resource, event: str, obj: Object) -> None:
        if event == "DELETED":
            self.objects.pop(obj["metadata"]["name"], None)
        else:
            self.objects[obj["metadata"]["name"]] = obj

    @property
    def names(self) -> set[str]:
        return set(self.objects) - {"kube-root-ca.crt"}

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(SECONDS):
            while not holds():
                await asyncio.sleep(0.01)


@asynccontextmanager
async def following(client: Client, namespace: str, timing: Timing = QUICK, **options: Any) -> AsyncIterator[Seen]:
    seen = Seen()
    resource = options.pop("resource", CONFIG_MAPS)
    task = asyncio.create_task(follow(client, resource, namespace, seen, timing=timing, **options))
    try:
        await seen.until(lambda: seen.lists > 0)
        yield seen
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Maps:
    """ConfigMaps as somebody else makes them; the calls block for a moment, as the tests' own client does."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._api, self._namespace = cluster.api, namespace

    def add(self, name: str, kind: str = "ConfigMap", **rest: Any) -> None:
        self._api.create({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **rest}, self._namespace)

    def edit(self, name: str, **data: str) -> None:
        path = f"/api/v1/namespaces/{self._namespace}/configmaps/{name}"
        self._api.call("PATCH", path, {"data": data}, MERGE)

    def delete(self, name: str) -> None:
        self._api.delete("v1", "ConfigMap", name, self._namespace)


@pytest.fixture
def maps(cluster: Cluster, namespace: str) -> Maps:
    return Maps(cluster, namespace)


async def test_what_is_there_and_what_changes(client: Client, namespace: str, maps: Maps) -> None:
    maps.add("a")
    async with following(client, namespace) as seen:
        assert seen.names == {"a"}
        maps.add("b")
        maps.edit("a", key="value")
        await seen.until(lambda: seen.names == {"a", "b"} and seen.objects["a"].get("data") == {"key": "value"})
        maps.delete("a")
        await seen.until(lambda: seen.names == {"b"})
        assert seen.lists == 1


async def test_lists_are_read_in_pages(
    shaky: Client, proxy: Proxy, namespace: str, maps: Maps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signalbox.kube.client.PAGE", 2)
    for name in "abcde":
        maps.add(name)
    async with following(shaky, namespace) as seen:
        assert seen.names == set("abcde")
    assert proxy.count(is_list) >= 3


async def test_of_a_secret_only_the_metadata(client: Client, namespace: str, maps: Maps) -> None:
    options = {"resource": SECRETS, "metadata_only": True, "fieldSelector": "type!=helm.sh/release.v1"}
    async with following(client, namespace, **options) as seen:
        assert seen.names == set()
        maps.add("s", "Secret", stringData={"key": "hidden-value"})
        maps.add("h", "Secret", type="helm.sh/release.v1", stringData={"release": "large"})
        maps.add("t", "Secret")
        await seen.until(lambda: "t" in seen.names)
        assert seen.names == {"s", "t"}
        assert "data" not in seen.objects["s"]
        assert "hidden-value" not in json.dumps(seen.objects)


@pytest.mark.parametrize("fault", STREAM_FAULTS.values(), ids=STREAM_FAULTS)
async def test_a_stream_that_fails_is_taken_up_where_it_was(
    shaky: Client, proxy: Proxy, namespace: str, maps: Maps, fault: dict[str, Any]
) -> None:
    proxy.faults.append(Fault(is_watch, **fault))
    async with following(shaky, namespace, replace(QUICK, silence=0.5)) as seen:
        for name in "abc":
            maps.add(name)
            await asyncio.sleep(0.05)
        await seen.until(lambda: seen.names == {"a", "b", "c"})
        assert seen.lists == 1
    assert not proxy.faults[0].times


@pytest.mark.parametrize("fault", [{"status": 410, "reason": "Expired"}, {"tail": EXPIRED}], ids=["status", "event"])
async def test_a_version_that_expired_is_listed_again(
    shaky: Client, proxy: Proxy, namespace: str, maps: Maps, fault: dict[str, Any]
) -> None:
    maps.add("gone")
    gone = Fault(is_watch, **fault)
    cut = Fault(is_watch, events=1)
    proxy.faults += [cut, gone]
    async with following(shaky, namespace) as seen:
        maps.add("a")  # the event after which the stream is cut
        await seen.until(lambda: not gone.times)
        maps.delete("gone")
        await seen.until(lambda: seen.names == {"a"})
        assert seen.lists == 2


async def test_a_server_in_trouble_is_asked_again_and_as_late_as_it_says(
    shaky: Client, proxy: Proxy, namespace: str, maps: Maps
) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(0)

    proxy.faults += [
        Fault(is_list, status=500, reason="InternalError", times=2),
        Fault(is_list, status=504, reason="Timeout"),
        Fault(is_list, status=429, reason="TooManyRequests", headers={"retry-after": "20"}),
        Fault(is_list),
        Fault(is_watch, status=503, reason="ServiceUnavailable"),
    ]
    maps.add("a")
    timing = replace(QUICK, first_pause=1.0, longest_pause=60.0, jittered=lambda seconds: seconds, sleep=sleep)
    async with following(shaky, namespace, timing) as seen:
        maps.add("b")
        await seen.until(lambda: seen.names == {"a", "b"})
    assert pauses[:5] == [1.0, 2.0, 4.0, 20.0, 16.0]


async def test_everything_is_listed_now_and_then(shaky: Client, namespace: str) -> None:
    async with following(shaky, namespace, replace(QUICK, watch=1.0, relist=0.5)) as seen:
        await seen.until(lambda: seen.lists >= 2)


async def test_after_an_hour_without_the_server_all_is_known_again(
    shaky: Client, proxy: Proxy, namespace: str, maps: Maps
) -> None:
    now, away = 0.0, Fault(lambda request: True, status=503, reason="ServiceUnavailable", times=1_000_000)
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        pauses.append(seconds)
        if now > 3600.0:
            away.times = 0
        await asyncio.sleep(0)

    maps.add("kept")
    maps.add("gone")
    timing = Timing(watch=1.0, silence=5.0, clock=lambda: now, sleep=sleep)
    async with following(shaky, namespace, timing) as seen:
        proxy.faults.append(away)
        await seen.until(lambda: bool(pauses))
        maps.delete("gone")
        maps.add("new")
        await seen.until(lambda: seen.names == {"kept", "new"})
    assert now > 3600.0
    assert max(pauses) <= 30.0
    assert 100 <= len(pauses) <= 300  # it neither gives up nor storms


async def test_silence_is_no_failure(cluster: Cluster, namespace: str, shaky: Client) -> None:
    """Of a kind without any object a stream says nothing at all. The next one begins at once: else the first object
    would be seen late, and later with every silent stream before it.
    """
    paused: list[float] = []

    async def sleep(seconds: float) -> None:
        paused.append(seconds)

    sink, begun = Seen(), 0
    original = shaky.watch

    def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal begun
        begun += 1
        return original(*arguments, **options)

    shaky.watch = counted  # type: ignore[method-assign]
    timing = Timing(silence=0.2, sleep=sleep)
    task = asyncio.create_task(follow(shaky, BUDGETS, namespace, sink, timing=timing))
    try:
        await sink.until(lambda: begun >= 4)
        assert paused == []
    finally:
        task.cancel()
