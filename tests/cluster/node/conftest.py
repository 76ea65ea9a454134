"""A cluster with a node, for the tests of this directory and those that ``make test-cluster`` runs beside them."""

from collections.abc import Iterator

import pytest

from cluster.build import Say
from cluster.errors import ClusterError
from cluster.namespaces import create_namespace, delete_namespace
from cluster.node import installation, outside, product
from cluster.node.outside import Enclosure
from cluster.running import Cluster, connected

FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Show, with a failed test, what the components last said, and keep their logs."""
    report = yield
    found = getattr(item, "funcargs", {}).get("enclosure")
    if report.failed and isinstance(found, Enclosure):
        item.config.stash[FAILED] = True
        report.sections += [(f"end of {log}", text) for log, text in found.tails()]
        report.sections.append(("ends of the logs of pods", found.pods()))
    return report


@pytest.fixture(scope="session")
def enclosure(pytestconfig: pytest.Config, say: Say) -> Iterator[Enclosure]:
    """The namespaces of a cluster with a node; the tests run in its network."""
    try:
        product.image(say)  # made out here: inside there is no way to any index of packages
        found = outside.start(say)
    except ClusterError as error:
        pytest.exit(f"no cluster with a node: {error}", returncode=3)
    try:
        with found.network():
            yield found
    finally:
        keep = pytestconfig.stash.get(FAILED, False)
        found.stop(keep_logs=keep)
        if keep:
            say(f"logs of the cluster: {found.workdir.path / 'logs'}")


@pytest.fixture(scope="session")
def cluster(enclosure: Enclosure) -> Iterator[Cluster]:
    """What runs in it, for the tests in this directory: with pods that run; the CRDs come with the chart."""
    audit = enclosure.workdir.path / "logs" / "audit.jsonl"
    with connected(enclosure.kubeconfig, crds=False, controllers=True, audit=audit) as found:
        yield found


@pytest.fixture(scope="session")
def image(enclosure: Enclosure, say: Say) -> str:
    """The name of the image of this tree; pods can use it."""
    return installation.load_image(enclosure, say)


@pytest.fixture(scope="session")
def installed(cluster: Cluster, image: str) -> str:
    """The chart is installed with that image, and its replicas are available; the namespace of the operator."""
    installation.install(cluster)
    return installation.NAMESPACE


@pytest.fixture
def restricted(cluster: Cluster) -> Iterator[str]:
    """A namespace of the test's own, held to the restricted profile."""
    name = create_namespace(cluster, **{"pod-security.kubernetes.io/enforce": "restricted"})
    yield name
    delete_namespace(cluster, name)
