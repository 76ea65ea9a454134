"""The operator's metrics: what is counted, and who may read it."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families
from world import World

from cluster.running import Cluster
from signalbox.controller.admittance import SECONDS, Admittance, application
from signalbox.controller.listings import Listings
from signalbox.controller.metrics import CONTENT_TYPE, Metrics
from signalbox.controller.queue import Queue
from signalbox.kube.access import Access
from signalbox.kube.client import Client
from signalbox.kube.errors import ApiError
from signalbox.kube.resources import SECRETS

RBAC = "rbac.authorization.k8s.io/v1"


def values(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Every sample of ours but buckets, by name and labels."""
    families = text_string_to_metric_families(metrics.text().decode())
    return {
        (sample.name.removeprefix("signalbox_operator_"), *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
        if sample.name.startswith("signalbox_operator_") and not sample.name.endswith(("_bucket", "_created"))
    }


def test_what_is_counted() -> None:
    now = 0.0

    def clock() -> float:
        return now

    metrics, queue, listings = Metrics(), Queue(clock), Listings(clock)
    metrics.observe(queue, listings, lambda: True)
    queue.add("n")
    listings.expect(SECRETS, None, 60).listed()
    now = 5.0
    metrics.reconciled(0.2, None)
    metrics.reconciled(0.3, ApiError(409, "Whatever a server says", "m"))
    metrics.reconciled(0.3, KeyError("x"))
    metrics.requested("apply", "secrets", 200)
    metrics.requested("apply", "secrets", 409)
    metrics.requested("list", "secrets", 200)
    assert values(metrics) == {
        ("reconciles_total", "success"): 1,
        ("reconciles_total", "error"): 2,
        ("reconcile_errors_total", "Conflict"): 1,
        ("reconcile_errors_total", "Defect"): 1,
        ("reconcile_duration_seconds_count",): 3,
        ("reconcile_duration_seconds_sum",): pytest.approx(0.8),
        ("api_requests_total", "secrets", "200", "apply"): 1,
        ("api_requests_total", "secrets", "409", "apply"): 1,
        ("api_requests_total", "secrets", "200", "list"): 1,
        ("writes_total", "secrets"): 1,
        ("queue_depth",): 1,
        ("queue_oldest_seconds",): 5,
        ("leader",): 1,
        ("list_age_seconds", "secrets"): 5,
    }


class Reader:
    """Somebody who scrapes, on a clock of the test's own."""

    def __init__(self, cluster: Cluster) -> None:
        self.now, self.asked = 100.0, 0
        self.api = Client(Access(), self._told)
        admittance = Admittance(self.api, lambda: self.now)
        self.server = TestClient[web.Request, web.Application](
            TestServer(application(admittance, lambda: b"text", CONTENT_TYPE))
        )

    def _told(self, verb: str, resource: str, status: int) -> None:
        self.asked += 1

    async def get(self, authorization: str) -> int:
        async with self.server.get("/metrics", headers={"authorization": authorization}) as response:
            assert (response.status == 200) == (await response.read() == b"text")
            return response.status


@pytest.fixture
async def reader(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Reader]:
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    made = Reader(cluster)
    await made.server.start_server()
    yield made
    await made.server.close()
    await made.api.close()


async def test_who_may_read(reader: Reader, world: World, namespace: str) -> None:
    for name in ("reader", "other"):
        world.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}})
    name = f"metrics-{namespace}"
    rules = [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]
    world.api.apply({"apiVersion": RBAC, "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules})
    world.api.apply(
        {
            "apiVersion": RBAC,
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": namespace}],
        }
    )
    try:
        token = world.api.token("reader", namespace)
        assert await reader.get(f"Bearer {token}") == 200
        assert reader.asked == 2
        assert await reader.get(f"Bearer {token}") == 200
        assert reader.asked == 2  # the answer holds for some seconds
        reader.now += SECONDS
        assert await reader.get(f"bearer {token}") == 200
        assert reader.asked == 4
        assert await reader.get(f"Bearer {world.api.token('other', namespace)}") == 403
        assert await reader.get(f"Bearer {token}x") == 401
        assert await reader.get(f"Basic {token}") == 401
        assert await reader.get("") == 401
    finally:
        world.api.delete(RBAC, "ClusterRoleBinding", name)
        world.api.delete(RBAC, "ClusterRole", name)
