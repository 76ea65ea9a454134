"""The chart, installed on a node with the image of this tree: by tests, and for ``make cluster``."""

import subprocess
from pathlib import Path

from cluster.build import Say
from cluster.helm import CHART, helm
from cluster.kubectl import kubectl
from cluster.node import product
from cluster.node.outside import Enclosure
from cluster.running import Cluster

RELEASE = NAMESPACE = "signalbox"
FIRST = Path(__file__).parent / "first.yaml"
READY = "--timeout=120s"


def load_image(enclosure: Enclosure, say: Say) -> str:
    """Make the image of this tree available to pods; its name."""
    enclosure.load(product.image(say))
    return product.NAME


def install(cluster: Cluster, *options: str, namespace: str = NAMESPACE) -> None:
    """Install the chart, or upgrade it, and wait until all replicas are available. The namespace is held to the
    restricted profile."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}})
    image = ("--set", f"image.repository={product.REPOSITORY},image.tag={product.TAG}")
    where = ("--namespace", namespace, "--wait", READY)
    helm(cluster, "upgrade", "--install", RELEASE, CHART, *where, *image, *options)


def apply_first(cluster: Cluster, namespace: str) -> None:
    """Apply the smallest whole of engine, backend and policy, and wait until its router and its engine are ready."""
    kubectl(cluster, "apply", "-n", namespace, "-f", FIRST)
    kubectl(cluster, "wait", "--for=condition=Ready", "-n", namespace, "modelbackend/engine", READY)
    wait_ready(cluster, namespace)


def wait_ready(cluster: Cluster, namespace: str, policy: str = "chat") -> subprocess.CompletedProcess[str]:
    """Wait as a user does."""
    return kubectl(cluster, "wait", "--for=condition=Ready", "-n", namespace, f"routingpolicy/{policy}", READY)
