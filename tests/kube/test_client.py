"""Requests to a real API server: what is refused, and by what name."""

from pathlib import Path

import pytest
from faulty import Proxy

from signalbox.kube.access import Access
from signalbox.kube.client import Client
from signalbox.kube.errors import ApiError
from signalbox.kube.resources import CONFIG_MAPS


def config_map(namespace: str, name: str = "a", **data: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": data,
    }


async def test_refusals_by_name(client: Client, namespace: str) -> None:
    assert await client.get(CONFIG_MAPS, namespace, "a") is None
    made = await client.create(config_map(namespace), "test")
    with pytest.raises(ApiError) as error:
        await client.create(config_map(namespace), "test")
    assert error.value.already_exists
    assert not error.value.conflict
    await client.replace(CONFIG_MAPS, made | {"data": {"key": "1"}})
    with pytest.raises(ApiError) as error:
        await client.replace(CONFIG_MAPS, made | {"data": {"key": "2"}})
    assert error.value.conflict
    with pytest.raises(ApiError) as error:
        await client.delete(CONFIG_MAPS, namespace, "a", "another-uid")
    assert error.value.conflict
    await client.delete(CONFIG_MAPS, namespace, "a", made["metadata"]["uid"])
    await client.delete(CONFIG_MAPS, namespace, "a", made["metadata"]["uid"])


async def test_what_a_list_holds_is_what_a_watch_shows(client: Client, namespace: str) -> None:
    """Else an object would never be what its manifest says, and be applied again for ever."""
    made = await client.create(config_map(namespace), "test")
    listed, _ = await client.list(CONFIG_MAPS, namespace)
    assert made in listed


async def test_apply_never_takes_over_an_object_made_anew(client: Client, namespace: str) -> None:
    made = await client.apply(config_map(namespace, key="1"), "test")
    changed = config_map(namespace, key="2")
    changed["metadata"] = {"name": "a", "namespace": namespace, "uid": made["metadata"]["uid"]}
    assert (await client.apply(changed, "test"))["data"] == {"key": "2"}
    await client.delete(CONFIG_MAPS, namespace, "a", made["metadata"]["uid"])
    await client.create(config_map(namespace, key="theirs"), "somebody")
    with pytest.raises(ApiError) as error:
        await client.apply(changed, "test")
    assert error.value.reason == "Invalid"  # the uid is immutable


async def test_a_token_that_was_replaced_is_read_again(
    proxy: Proxy, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = proxy.kubeconfig(tmp_path / "kubeconfig", token="old")
    monkeypatch.setenv("KUBECONFIG", str(file))
    client = Client(Access())
    await client.list(CONFIG_MAPS, namespace)
    proxy.unauthorized.add("old")
    proxy.kubeconfig(file, token="new")
    with pytest.raises(ApiError) as error:
        await client.list(CONFIG_MAPS, namespace)
    assert error.value.status == 401
    await client.list(CONFIG_MAPS, namespace)
    await client.close()


async def test_nobody_there_is_an_error_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = Proxy.__new__(Proxy)
    absent.url = "http://127.0.0.1:1"
    monkeypatch.setenv("KUBECONFIG", str(absent.kubeconfig(tmp_path / "kubeconfig")))
    client = Client(Access())
    with pytest.raises(ApiError) as error:
        await client.list(CONFIG_MAPS, "default")
    assert (error.value.status, error.value.reason) == (0, "Unreachable")
    await client.close()
