"""A real control plane to measure on: that of the tests, with their stand-ins for what a kubelet does."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[2] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "controller")]

from benchmarks.harness.errors import BenchError  # noqa: E402
from cluster.errors import ClusterError  # noqa: E402
from cluster.namespaces import create_namespace, delete_namespace  # noqa: E402
from cluster.running import Cluster, running  # noqa: E402


@contextmanager
def namespace(say: Any) -> Iterator[tuple[Cluster, str]]:
    """A control plane and a namespace on it, until the block ends. Raises ``BenchError``."""
    try:
        with running(say, lambda: False) as cluster:
            name = create_namespace(cluster)
            try:
                yield cluster, name
            finally:
                delete_namespace(cluster, name)
    except ClusterError as error:
        raise BenchError(f"no cluster to measure with: {error}") from error
