"""Whoever can open a port may ask for what only the API server can answer: the operator goes on with its own work."""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from aiohttp import web
from connected import StreamingOperator
from faulty import Fault
from outages import Outages
from world import World, backend, eventually

from cluster.processes import free_ports
from cluster.running import Cluster

STRANGERS = 64
LOST_SECONDS = 8.0  # the leader that cannot renew for so long has ended


def is_review(request: web.Request) -> bool:
    return request.path.endswith("/tokenreviews")


class Crowd:
    """Strangers, each with a token of his own, who ask again and again until ``leave``."""

    def __init__(self, url: str) -> None:
        self._left = threading.Event()
        self._client = httpx.Client(verify=False, trust_env=False, timeout=1.0, limits=httpx.Limits())
        self._threads = [threading.Thread(target=self._ask, args=(url, number)) for number in range(STRANGERS)]
        for thread in self._threads:
            thread.start()

    def _ask(self, url: str, number: int) -> None:
        while not self._left.is_set():
            with suppress(httpx.HTTPError):
                self._client.get(url, headers={"authorization": f"Bearer stranger-{number}"})

    def leave(self) -> None:
        self._left.set()
        for thread in self._threads:
            thread.join()
        self._client.close()


@pytest.fixture
def outages(cluster: Cluster, tmp_path: Path) -> Iterator[Outages]:
    made = Outages(cluster, tmp_path / "kubeconfig")
    yield made
    made.close()


def test_the_leader_leads_on_while_strangers_wait(world: World, outages: Outages, namespace: str) -> None:
    (metrics,) = free_ports(1)
    operator = StreamingOperator(outages.access, namespace, "--metrics", f"127.0.0.1:{metrics}")
    try:
        world.apply(backend("first"))
        eventually(lambda: world.conditions("ModelBackend", "first"))
        outages.answer(Fault(is_review, hang=True))
        crowd = Crowd(f"https://localhost:{metrics}/metrics")
        try:
            time.sleep(LOST_SECONDS)
            assert operator.process.poll() is None
            world.apply(backend("second"))
            eventually(lambda: world.conditions("ModelBackend", "second"))
        finally:
            crowd.leave()
    finally:
        operator.kill()
