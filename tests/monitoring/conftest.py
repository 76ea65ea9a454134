"""A real Prometheus that scrapes a real operator and real routers, which have engines and traffic."""

import base64
import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import NamedTuple

import pytest
import yaml
from connected import LeaderService, RouterProcess, StreamingOperator, pods
from world import World, eventually

from cluster import rights
from cluster.build import Say
from cluster.namespaces import create_namespace, delete_namespace
from cluster.processes import free_ports
from cluster.running import Cluster
from monitoring.scene import certificate, reader, resources, running, traffic
from monitoring.server import Prometheus

LOOPBACK = ("--allow-cidr", "127.0.0.0/8")


class Scene(NamedTuple):
    """``namespace`` is that of the operator and its router; local mode has none, and is scraped as one named local."""

    prometheus: Prometheus
    namespace: str


@pytest.fixture(scope="session")
def scene(cluster: Cluster, say: Say, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    place = tmp_path_factory.mktemp("monitoring")
    with ExitStack() as stack:
        namespace = create_namespace(cluster)
        stack.callback(delete_namespace, cluster, namespace)
        access = rights.give(cluster, namespace, place)
        stack.callback(rights.take, cluster, namespace)
        first, second, closed, metrics, local, shown = free_ports(6)
        made = resources((first, second), closed)
        stack.enter_context(running("sim", f"--listen=127.0.0.1:{first}", "--model=sim", "--batch=4"))
        stack.enter_context(running("sim", f"--listen=127.0.0.1:{second}", "--model=sim", "--batch=4", "--speed=2"))

        world = World(cluster, namespace)
        token = stack.enter_context(reader(world))
        operator = StreamingOperator(access, namespace, "--metrics", f"127.0.0.1:{metrics}", *LOOPBACK)
        stack.callback(operator.kill)
        world.apply(*made)
        service = LeaderService(world)
        stack.callback(service.close)
        one, other = eventually(lambda: found if len(found := pods(world)) == 2 else None)
        router = RouterProcess(world, one, service, place / "router", LOOPBACK)
        stack.callback(router.kill)
        stack.enter_context(traffic(router.port))
        https = ("--tls-dir", certificate(place / "tls"))
        secure = RouterProcess(world, other, service, place / "secure", (*LOOPBACK, *https))
        stack.callback(secure.kill)

        (place / "local").mkdir()
        (place / "local" / "all.yaml").write_text(yaml.safe_dump_all(made))
        ports = (f"--listen=127.0.0.1:{local}", f"--admin=127.0.0.1:{shown}")
        stack.enter_context(running("up", "-f", str(place / "local"), *ports, "--access-log=none"))
        stack.enter_context(traffic(local))

        secret = eventually(lambda: world.api.get("v1", "Secret", "signalbox-tls", namespace))
        (place / "ca.crt").write_bytes(base64.b64decode(secret["data"]["ca.crt"]))
        jobs = [
            {
                "job_name": "operator",
                "scheme": "https",
                "honor_labels": True,
                "authorization": {"credentials": token},
                "tls_config": {"ca_file": str(place / "ca.crt"), "server_name": f"signalbox-leader.{namespace}.svc"},
                "static_configs": [{"targets": [f"127.0.0.1:{metrics}"], "labels": {"namespace": "of-the-operator"}}],
            },
            {
                "job_name": "routers",
                "static_configs": [
                    {"targets": [f"127.0.0.1:{port}"], "labels": {"namespace": name, "pod": name}}
                    for port, name in ((admin(router), namespace), (admin(secure), namespace), (shown, "local"))
                ],
            },
        ]
        prometheus = Prometheus(place / "prometheus", jobs, say)
        stack.callback(prometheus.stop)
        eventually(lambda: len(prometheus.get("targets")["activeTargets"]) == 4 and not prometheus.down())
        for least in (2, 3):  # nothing is reconciled at rest
            before = count(prometheus)
            world.apply(*resources((first, second), closed, least))
            eventually(lambda before=before: count(prometheus) > before)
        yield Scene(prometheus, namespace)


def admin(router: RouterProcess) -> str:
    """The port of its metrics."""
    found = re.search(r"admin on port (\d+)", router.said)
    assert found
    return found[1]


def count(prometheus: Prometheus) -> float:
    """Reconciles so far."""
    return sum(value for _, value in prometheus.query('signalbox_operator_reconciles_total{result="success"}'))
