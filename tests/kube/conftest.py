"""The operator's client on the tests' control plane, directly and through a faulty proxy."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from faulty import Proxy

from cluster.running import Cluster
from signalbox.kube.access import Access
from signalbox.kube.client import Client
from waiting import hang_up


@pytest.fixture
async def client(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    made = Client(Access())
    yield made
    await made.close()
    await hang_up()


@pytest.fixture
async def shaky(proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    """A client that goes through the proxy."""
    monkeypatch.setenv("KUBECONFIG", str(proxy.kubeconfig(tmp_path / "kubeconfig")))
    made = Client(Access())
    yield made
    await made.close()
