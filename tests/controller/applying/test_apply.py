"""Children on a real API server, with others who write at the same moment."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from faulty import Fault, Proxy
from world import World

from signalbox.controller.applying.apply import HAND_OVER_TRIES, ensure
from signalbox.controller.applying.difference import applied
from signalbox.controller.watching.store import Store
from signalbox.kube.access import Access
from signalbox.kube.client import MERGE, Client
from signalbox.kube.errors import ApiError
from signalbox.kube.resources import CONFIG_MAPS, SECRETS, Resource


@pytest.fixture
async def client(proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    monkeypatch.setenv("KUBECONFIG", str(proxy.kubeconfig(tmp_path / "kubeconfig")))
    made = Client(Access())
    yield made
    await made.close()


def handing_over(request: web.Request) -> bool:
    return request.method == "PATCH" and request.headers["content-type"] == MERGE


def manifest(namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "child", "namespace": namespace},
        "data": {"key": "value"},
    }


async def test_a_conflict_with_somebody_who_writes_a_new_object_is_settled(
    client: Client, proxy: Proxy, namespace: str
) -> None:
    store = Store(lambda *_: None)
    proxy.faults.append(Fault(handing_over, status=409, reason="Conflict", times=HAND_OVER_TRIES - 1))
    assert await ensure(client, store, manifest(namespace))
    live = store.get(CONFIG_MAPS, namespace, "child")
    assert live is not None
    assert applied(live)
    assert not await ensure(client, store, manifest(namespace))


@pytest.mark.parametrize("kind", [CONFIG_MAPS, SECRETS], ids=lambda kind: kind.kind)
async def test_one_that_somebody_froze_is_made_anew(client: Client, world: World, kind: Resource) -> None:
    """Nothing else helps: the API server refuses every change of it, and to thaw it."""
    store = Store(lambda *_: None)
    wanted = manifest(world.namespace) | {"kind": kind.kind}
    wanted["data"] = {"key": "dmFsdWU="}
    await ensure(client, store, wanted)
    frozen = world.api.patch("v1", kind.kind, "child", {"immutable": True}, world.namespace)
    store.changed(kind, "MODIFIED", frozen)
    changed = wanted | {"data": {"key": "b3RoZXI="}}
    assert await ensure(client, store, changed)
    live = world.child("v1", kind.kind, "child")
    assert live["data"] == changed["data"]
    assert "immutable" not in live
    assert live["metadata"]["uid"] != frozen["metadata"]["uid"]
    assert not await ensure(client, store, changed)


async def test_one_that_does_not_end_is_an_error(client: Client, proxy: Proxy, namespace: str) -> None:
    proxy.faults.append(Fault(handing_over, status=409, reason="Conflict", times=1_000_000))
    with pytest.raises(ApiError):
        await ensure(client, Store(lambda *_: None), manifest(namespace))
    assert proxy.count(handing_over) == HAND_OVER_TRIES
