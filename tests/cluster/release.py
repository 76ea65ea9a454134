"""A release of the chart in the tests' common cluster."""

from cluster.api import Object
from cluster.helm import CHART, helm, parsed
from cluster.running import Cluster

OURS = "crds.install=false"  # the CRDs are there, and belong to all tests


class Release:
    """A release, and its name: that of its namespace, in which alone it serves policies."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster, self.name = cluster, name

    def install(self, *values: str) -> None:
        sets = [f"--set={each}" for each in (OURS, f"namespaces={{{self.name}}}", *values)]
        helm(self.cluster, "upgrade", "--install", self.name, CHART, "--namespace", self.name, *sets)

    def manifests(self) -> list[Object]:
        """What Helm has applied."""
        return parsed(helm(self.cluster, "get", "manifest", self.name, "--namespace", self.name).stdout)

    def notes(self) -> str:
        return helm(self.cluster, "get", "notes", self.name, "--namespace", self.name).stdout

    def uninstall(self) -> None:
        helm(self.cluster, "uninstall", self.name, "--namespace", self.name, "--ignore-not-found")
