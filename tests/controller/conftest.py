"""An operator on the tests' control plane, for the namespace of one test."""

from collections.abc import Iterator

import pytest
from world import OperatorProcess, World

from cluster.running import Cluster


@pytest.fixture
def operator(cluster: Cluster, namespace: str) -> Iterator[OperatorProcess]:
    running = OperatorProcess(cluster, namespace)
    yield running
    if running.process.poll() is None:
        running.kill()


@pytest.fixture
def world(cluster: Cluster, namespace: str) -> World:
    return World(cluster, namespace)
