"""A real Kubernetes for every test that asks for it: fixtures ``cluster`` and ``namespace``."""

import os
import sys
from collections.abc import AsyncIterator, Iterator

import hypothesis
import pytest
from faulty import Proxy

import fuzzing
from cluster.build import Say
from cluster.errors import ClusterError
from cluster.namespaces import create_namespace, delete_namespace
from cluster.running import Cluster, running

FAILED = pytest.StashKey[bool]()
MOST_WORKERS = 6
# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


def pytest_addoption(parser: pytest.Parser) -> None:
    """One flag writes all golden files of the chosen tests anew: ``pytest tests/plan --regenerate``."""
    parser.addoption("--regenerate", action="store_true", help="write the golden files anew")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a cluster, so that ``-m 'not cluster'`` runs all the rest. It comes first: where files run side
    by side, the long ones must not be left to the end."""
    for item in items:
        if {"cluster", "bare", "enclosure"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.cluster)
    needing = {item.path for item in items if item.get_closest_marker("cluster")}
    items.sort(key=lambda item: item.path not in needing)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """How many files ``-n auto`` runs side by side: they wait more than they compute, but each may start a control
    plane of its own (600 MB)."""
    return min((os.cpu_count() or 1) + 1, MOST_WORKERS)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Show, with a failed test, what the cluster's components last said, and keep their logs."""
    report = yield
    found = getattr(item, "funcargs", {}).get("cluster")
    if report.failed and isinstance(found, Cluster) and found.control_plane:
        item.config.stash[FAILED] = True
        for component in found.control_plane.components.values():
            report.sections.append((f"end of {component.log}", component.tail()))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What ``make fuzz`` has tried."""
    for line in fuzzing.summary():
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def say(pytestconfig: pytest.Config) -> Say:
    """Tell whoever waits what is going on, also while pytest captures all output."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def tell(text: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n{text}", end="", file=sys.stderr, flush=True)  # where files run side by side, stdout is taken

    return tell


@pytest.fixture(scope="session")
def cluster(pytestconfig: pytest.Config, say: Say) -> Iterator[Cluster]:
    """A control plane with the CRDs, one for the whole run (or the cluster of ``$KUBECONFIG``)."""
    try:
        with running(say, lambda: pytestconfig.stash.get(FAILED, False)) as found:
            yield found
    except ClusterError as error:
        if hasattr(pytestconfig, "workerinput"):  # one of several processes cannot end the run
            pytest.fail(f"no cluster to test with: {error}", pytrace=False)
        pytest.exit(f"no cluster to test with: {error}", returncode=3)


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace of the test's own."""
    name = create_namespace(cluster)
    yield name
    delete_namespace(cluster, name)


@pytest.fixture
async def proxy(cluster: Cluster) -> AsyncIterator[Proxy]:
    """What stands between a client and the API server, and does as it is told."""
    made = Proxy(cluster)
    await made.start()
    yield made
    await made.stop()
