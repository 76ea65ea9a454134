"""The operator's metrics: what is counted, and who may read it."""

import asyncio
import base64
import socket
import ssl
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from world import OperatorProcess, World, backend, eventually, policy

from cluster.running import Cluster
from signalbox.controller.reconciling.queue import Queue
from signalbox.controller.serving.admittance import SECONDS, Admittance, application
from signalbox.controller.serving.metrics import Metrics
from signalbox.controller.watching.listings import Listings
from signalbox.kube.access import Access
from signalbox.kube.client import Client
from signalbox.kube.errors import ApiError
from signalbox.kube.resources import LEASES, SECRETS

RBAC = "rbac.authorization.k8s.io/v1"


def values(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Every sample of ours but buckets and errors that there were none of, by name and labels."""
    families = text_string_to_metric_families(asyncio.run(metrics.text()).decode())
    return {
        (sample.name.removeprefix("signalbox_operator_"), *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
        if sample.name.startswith("signalbox_operator_") and not sample.name.endswith(("_bucket", "_created"))
        if sample.value or not sample.name.endswith("_reconcile_errors_total")
    }


def test_what_is_counted() -> None:
    now = 0.0

    def clock() -> float:
        return now

    metrics, queue, listings = Metrics(), Queue(clock), Listings(clock)
    metrics.observe(queue, listings, lambda: True, lambda: 1e9)
    queue.add("n")
    listings.expect(SECRETS, None, 60).listed()
    listings.expect(LEASES, "own", 30, "leader").refused(ApiError(403, "Forbidden", "m"))
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
        ("certificate_expiry_timestamp_seconds",): 1e9,
        ("list_age_seconds", "secrets"): 5,
        ("lists_missing", "secrets"): 0,
        ("lists_missing", "leases"): 1,
    }


def test_the_loop_is_shown_too() -> None:
    class Loop(Collector):
        def collect(self) -> Iterator[Metric]:
            yield GaugeMetricFamily("signalbox_operator_shown", "By the loop.", 7)

    metrics = Metrics()
    metrics.steer(Loop())
    assert values(metrics)["shown",] == 7


def test_nothing_waits_where_another_one_leads() -> None:
    now = 0.0
    metrics, queue = Metrics(), Queue(lambda: now)
    metrics.observe(queue, Listings(lambda: now), lambda: False)
    queue.add("n")
    now = 3600.0
    found = values(metrics)
    assert (found["leader",], found["queue_depth",], found["queue_oldest_seconds",]) == (0, 0, 0)


class Reader:
    """Somebody who scrapes, on a clock of the test's own."""

    def __init__(self, cluster: Cluster) -> None:
        self.now, self.asked = 100.0, 0
        self.api = Client(Access(), self._told)
        admittance = Admittance(self.api, lambda: self.now)
        self.server = TestClient[web.Request, web.Application](TestServer(application(admittance, self._text)))

    def _told(self, verb: str, resource: str, status: int) -> None:
        self.asked += 1

    async def _text(self) -> bytes:
        return b"text"

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


@pytest.fixture
def tokens(world: World, namespace: str) -> Iterator[tuple[str, str]]:
    """Of one who may read the metrics, and of one who may not."""
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
    yield world.api.token("reader", namespace), world.api.token("other", namespace)
    world.api.delete(RBAC, "ClusterRoleBinding", name)
    world.api.delete(RBAC, "ClusterRole", name)


async def test_who_may_read(reader: Reader, tokens: tuple[str, str]) -> None:
    token, other = tokens
    assert await reader.get(f"Bearer {token}") == 200
    assert reader.asked == 2
    assert await reader.get(f"Bearer {token}") == 200
    assert reader.asked == 2  # the answer holds for some seconds
    reader.now += SECONDS
    assert await reader.get(f"bearer {token}") == 200
    assert reader.asked == 4
    assert await reader.get(f"Bearer {other}") == 403
    assert await reader.get(f"Bearer {token}x") == 401
    assert await reader.get(f"Basic {token}") == 401
    assert await reader.get("") == 401


def test_an_operator_that_is_scraped(world: World, access: Path, namespace: str, tokens: tuple[str, str]) -> None:
    ports = []
    for _ in range(2):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            ports.append(taken.getsockname()[1])
    listen, metrics = ports
    options = ("--listen", f"127.0.0.1:{listen}", "--metrics", f"127.0.0.1:{metrics}")
    operator = OperatorProcess(access, namespace, *options)

    def scraped() -> str:
        secret = world.api.get("v1", "Secret", "signalbox-tls", namespace)
        context = ssl.create_default_context(cadata=base64.b64decode(secret["data"]["ca.crt"]).decode())
        url = f"https://localhost:{metrics}/metrics"
        asked = urllib.request.Request(url, headers={"authorization": f"Bearer {tokens[0]}"})
        with urllib.request.urlopen(asked, context=context) as answer:
            return str(answer.read().decode())

    try:
        world.apply(backend(), policy())
        eventually(lambda: world.child("policy/v1", "PodDisruptionBudget"))
        eventually(lambda: "signalbox_operator_leader 1.0" in scraped())
        text = scraped()
        assert 'signalbox_operator_writes_total{resource="configmaps"}' in text
        assert 'signalbox_operator_list_age_seconds{resource="secrets"}' in text
        assert "process_resident_memory_bytes" in text
        assert not [line for line in text.splitlines() if line.startswith("signalbox_operator") and namespace in line]
        loop = f'signalbox_target_weight_ratio{{backend="a",namespace="{namespace}",policy="chat",route="all"'
        eventually(lambda: loop in scraped())
        assert operator.end() == 0
    finally:
        operator.kill()
