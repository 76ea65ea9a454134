"""An operator on the tests' control plane, for the namespace of one test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from connected import LOOPBACK, LeaderService, StreamingOperator
from world import OperatorProcess, World

from cluster import rights
from cluster.running import Cluster


@pytest.fixture
def access(cluster: Cluster, namespace: str, tmp_path: Path) -> Iterator[Path]:
    """A kubeconfig with the rights that the chart gives, and no other: a rule that is missing there fails a test."""
    yield rights.give(cluster, namespace, tmp_path)
    rights.take(cluster, namespace)


@pytest.fixture
def operator(access: Path, namespace: str) -> Iterator[OperatorProcess]:
    running = OperatorProcess(access, namespace)
    yield running
    if running.process.poll() is None:
        running.kill()


@pytest.fixture
def streaming(access: Path, namespace: str) -> Iterator[StreamingOperator]:
    """One that routers reach, by ``service`` and without."""
    running = StreamingOperator(access, namespace)
    yield running
    running.kill()


@pytest.fixture
def permissive(access: Path, namespace: str) -> Iterator[StreamingOperator]:
    """One whose backends may be on this machine."""
    running = StreamingOperator(access, namespace, *LOOPBACK)
    yield running
    running.kill()


@pytest.fixture
def service(world: World) -> Iterator[LeaderService]:
    made = LeaderService(world)
    yield made
    made.close()


@pytest.fixture
def world(cluster: Cluster, namespace: str) -> World:
    return World(cluster, namespace)
