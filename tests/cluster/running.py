"""The cluster that tests get, wherever it comes from."""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cluster import kubeconfig, programs
from cluster.api import Api, ApiError, Object
from cluster.build import Say
from cluster.controlplane import ControlPlane
from cluster.errors import ClusterError
from cluster.workdir import Workdir

CRDS = Path(__file__).parents[2] / "crds"
ESTABLISHED_SECONDS = 30.0


@dataclass(frozen=True)
class Cluster:
    """How to reach a cluster as its administrator.

    ``token`` is None where the administrator of an existing cluster logs in by certificate. ``controllers`` says
    whether Kubernetes' controllers and scheduler run: without them no Deployment gets pods, no Service endpoints, and
    nothing is garbage-collected. ``control_plane`` is None for an existing cluster: it cannot be stopped and started.
    """

    kubeconfig: Path
    server: str
    ca: Path | None
    token: str | None
    api: Api
    version: str
    controllers: bool
    control_plane: ControlPlane | None = None
    audit: Path | None = None

    def requests(self, user: str) -> list[Object]:
        """The audit events of a user's requests so far, such as those of ``system:serviceaccount:NAMESPACE:NAME``."""
        if self.audit is None:
            raise ClusterError("an existing cluster shows no audit log")
        lines = self.audit.read_text().splitlines()
        return [event for event in map(json.loads, lines) if event["user"].get("username") == user]


@contextmanager
def running(say: Say, failed: Callable[[], bool]) -> Iterator[Cluster]:
    """A cluster with the CRDs: ``$KUBECONFIG``'s if it is set, else a control plane of our own, until the block ends.

    ``failed`` tells at the end whether logs are worth keeping.
    """
    if existing := os.environ.get("KUBECONFIG"):
        file = Path(existing.split(os.pathsep)[0])
        with connected(file, controllers=True) as cluster:
            yield cluster
        return
    workdir = Workdir()
    keep_logs = True
    try:
        plane = ControlPlane(programs.find(say), workdir)
        plane.start()
        try:
            controllers = "kube-controller-manager" in plane.components
            known = {"controllers": controllers, "control_plane": plane, "audit": plane.audit}
            with connected(plane.kubeconfig, **known) as cluster:
                yield cluster
        finally:
            plane.stop()
        keep_logs = failed()
    finally:
        workdir.remove(keep_logs=keep_logs)
        if keep_logs:
            say(f"logs of the cluster: {workdir.path / 'logs'}")


@contextmanager
def connected(file: Path, *, crds: bool = True, **known: Any) -> Iterator[Cluster]:
    """The cluster of a kubeconfig, with the CRDs applied unless something else brings them."""
    access = kubeconfig.read(file)
    with closing(Api(access)) as api:
        version = api.call("GET", "/version")["gitVersion"]
        if crds:
            apply_crds(api)
        yield Cluster(file, access.server, access.ca, access.token, api, version, **known)


def apply_crds(api: Api) -> None:
    """Apply the CRDs of the tree, and wait until their objects can be made."""
    definitions = [yaml.safe_load(file.read_text()) for file in sorted(CRDS.glob("*.yaml"))]
    for definition in definitions:
        api.apply(definition, force=True)
    deadline = time.monotonic() + ESTABLISHED_SECONDS
    for definition in definitions:
        name = definition["metadata"]["name"]
        while not served(api, name):
            if time.monotonic() > deadline:
                raise ClusterError(f"the CRD {name} is not served after {ESTABLISHED_SECONDS:.0f} s")
            time.sleep(0.05)


def served(api: Api, name: str) -> bool:
    """Whether a CRD is established, and its resource found."""
    crd = api.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", name)
    conditions = {each["type"]: each["status"] for each in crd.get("status", {}).get("conditions") or ()}
    if conditions.get("Established") != "True":
        return False
    spec = crd["spec"]
    with suppress(ApiError):
        api.call("GET", f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}", limit=1)
        return True
    return False
