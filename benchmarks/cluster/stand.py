"""A cluster with a node, the chart installed, engines and a policy in a namespace: what every scenario starts from."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from cluster.kubectl import kubectl
from cluster.namespaces import create_namespace, delete_namespace
from cluster.node import installation, outside, product
from cluster.node.outside import Enclosure
from cluster.running import Cluster, connected

RESOURCES = Path(__file__).with_name("resources.yaml")
API = "signalbox.dev/v1alpha1"
LEASE = "signalbox-operator"
OPERATOR = installation.NAMESPACE
SECONDS = 180.0

Object = dict[str, Any]


class Stand:
    """One namespace with engines ``a`` and ``b`` and the policy ``chat``."""

    def __init__(self, enclosure: Enclosure, cluster: Cluster, namespace: str) -> None:
        self.enclosure, self.cluster, self.api, self.namespace = enclosure, cluster, cluster.api, namespace

    def kubectl(self, *arguments: str, namespace: str | None = None) -> str:
        """What kubectl printed."""
        return kubectl(self.cluster, "-n", namespace or self.namespace, *arguments).stdout

    def policy(self, target: str = "a", **spec: Any) -> Object:
        """The policy, with everything sent to one target."""
        found = next(obj for obj in resources() if obj["kind"] == "RoutingPolicy")
        found["spec"]["routes"][0]["weighted"]["targets"] = [{"name": target}]
        found["spec"].update(spec)
        return found

    def apply(self, *objects: Object) -> None:
        """Apply at once, without kubectl's half a second."""
        for obj in objects:
            self.api.apply(obj, self.namespace)

    def url(self) -> str:
        """The router's Service, by its address."""
        address = self.api.get("v1", "Service", "chat-router", self.namespace)["spec"]["clusterIP"]
        return f"http://{address}:8080/v1/chat/completions"

    def routers(self) -> list[Object]:
        """Pods of the router that are ready and not about to go."""
        return self.pods("app.kubernetes.io/instance=chat-router")

    def pods(self, selector: str, namespace: str | None = None) -> list[Object]:
        """Pods that are ready and not about to go."""
        found = self.api.list("v1", "Pod", namespace or self.namespace, labelSelector=selector)
        return [pod for pod in found if ready(pod) and "deletionTimestamp" not in pod["metadata"]]

    def leader(self) -> str:
        """The name of the pod that holds the Lease; empty for none."""
        lease = self.api.get("coordination.k8s.io/v1", "Lease", LEASE, OPERATOR)
        return str(lease["spec"].get("holderIdentity") or "").rpartition("_")[0]

    def rolled_out(self, name: str, namespace: str | None = None) -> None:
        """Wait until a Deployment is rolled out."""
        self.kubectl("rollout", "status", f"deployment/{name}", "--timeout=300s", namespace=namespace)


def ready(pod: Object) -> bool:
    conditions = pod["status"].get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def resources() -> list[Object]:
    """The objects of ``resources.yaml``."""
    return list(yaml.safe_load_all(RESOURCES.read_text()))


def kill(pod: str, program: str) -> None:
    """End a pod's process as a crash would: the kernel does it, and Kubernetes hears of it afterwards."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            named = f"HOSTNAME={pod}".encode() in (place / "environ").read_bytes().split(b"\0")
            command = (place / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if named and program.encode() in command:
            os.kill(int(place.name), signal.SIGKILL)
            return
    raise LookupError(f"no process {program} of pod {pod}")


def seconds_until(question: Callable[[], Any], since: float | None = None, every: float = 0.02) -> float:
    """Time until the first true answer, since a moment of ``time.monotonic``. Raises ``TimeoutError``."""
    begin = time.monotonic() if since is None else since
    last: object = None
    while time.monotonic() - begin < SECONDS:
        try:
            if last := question():
                return time.monotonic() - begin
        except Exception as error:
            last = error
        time.sleep(every)
    raise TimeoutError(f"not within {SECONDS:.0f} s: {last!r}")


@contextmanager
def standing(tell: Callable[[str], None]) -> Iterator[Stand]:
    """Everything up and ready, in the network of the cluster; removed when the block ends."""
    product.image(tell)  # made out here: inside there is no way to any index of packages
    enclosure = outside.start(tell)
    try:
        with enclosure.network(), connected(enclosure.kubeconfig, crds=False, controllers=True) as cluster:
            installation.load_image(enclosure, tell)
            tell("installing the chart")
            installation.install(cluster)
            namespace = create_namespace(cluster, **{"pod-security.kubernetes.io/enforce": "restricted"})
            yield Stand(enclosure, cluster, namespace)
            delete_namespace(cluster, namespace)
    finally:
        enclosure.stop()


def as_json(obj: Any) -> str:
    """For ``kubectl patch``."""
    return json.dumps(obj)
