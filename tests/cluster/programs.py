"""Which programs make up the control plane: built here, or those in ``$KUBEBUILDER_ASSETS``."""

import os
from dataclasses import dataclass
from pathlib import Path

from cluster import build
from cluster.errors import ClusterError

NEEDED = ("etcd", "kube-apiserver")
CONTROLLERS = ("kube-controller-manager", "kube-scheduler")
NODE = ("kubelet", "kube-proxy")


@dataclass(frozen=True)
class Programs:
    """How each component is started; one that is missing there is not to be had."""

    commands: dict[str, tuple[Path | str, ...]]

    def __contains__(self, name: str) -> bool:
        return name in self.commands

    def __getitem__(self, name: str) -> tuple[Path | str, ...]:
        return self.commands[name]


def find(say: build.Say) -> Programs:
    """The control plane's programs, built now if need be."""
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        return given(Path(assets))
    return one_for_all(build.kubernetes(say), (*NEEDED, *CONTROLLERS))


def with_node(say: build.Say) -> Programs:
    """The control plane's programs and those of a node."""
    return one_for_all(build.kubernetes(say, node=True), (*NEEDED, *CONTROLLERS, *NODE))


def one_for_all(program: Path, names: tuple[str, ...]) -> Programs:
    """One program that is told by its first argument which component to be."""
    return Programs({name: (program, name) for name in names})


def given(assets: Path) -> Programs:
    """A directory of programs, as others' tools install them."""
    found = {name: (assets / name,) for name in (*NEEDED, *CONTROLLERS) if (assets / name).is_file()}
    missing = [name for name in NEEDED if name not in found]
    if missing:
        raise ClusterError(f"KUBEBUILDER_ASSETS is {assets}, but {' and '.join(missing)} not in it")
    return Programs(dict(found))
