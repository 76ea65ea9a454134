"""The first process of a node's namespaces: ``python -m cluster.node.inside WORKDIR KUBERNETES DNS IMAGE…``.

It starts everything, writes ``ready`` (or ``failed``) in the working directory, and ends when it is asked to: as it is
the first process of a process namespace, the kernel then ends all others, containers included.
"""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import yaml

from cluster import programs
from cluster.controlplane import ControlPlane, Reach
from cluster.errors import ClusterError
from cluster.node import enclosure, settings
from cluster.processes import Component
from cluster.programs import Programs
from cluster.workdir import Workdir


class Node:
    """A control plane, and a node beside it."""

    def __init__(self, workdir: Workdir, programs: Programs, dns: Path) -> None:
        self.workdir, self.dns = workdir, dns
        self.plane = ControlPlane(programs, workdir, Reach("0.0.0.0", enclosure.ADDRESS))
        self.config = workdir.sub("config")

    def start(self, images: list[Path]) -> None:
        """Start everything; return when the node is ready."""
        self.containerd()
        for image in images:
            load(image)
        self.plane.start()
        self.kubelet()
        self.proxy()
        self.name_server()
        self.plane.wait("the node is not ready", self.ready)

    def containerd(self) -> None:
        cni = self.workdir.sub("cni")
        (cni / "10-pods.conflist").write_text(json.dumps(settings.CNI))
        text = settings.containerd(self.workdir.sub("containerd"), cni)
        self.other("containerd", "containerd", "--config", self.written("containerd.toml", text))
        self.plane.wait("containerd does not answer", answers)

    def kubelet(self) -> None:
        plane = self.plane
        config = settings.kubelet(plane.authority.certificate, self.workdir.path.name)
        plane.run(
            "kubelet",
            f"--config={self.written('kubelet.yaml', yaml.safe_dump(config))}",
            f"--kubeconfig={plane.config_for(f'system:node:{settings.NAME}', 'system:nodes')}",
            f"--hostname-override={settings.NAME}",
            f"--node-ip={enclosure.ADDRESS}",
            f"--root-dir={enclosure.KUBELET}",
            f"--cert-dir={self.workdir.sub('kubelet-pki')}",
        )

    def proxy(self) -> None:
        config = settings.proxy(self.plane.config_for("system:kube-proxy"))
        self.plane.run("kube-proxy", f"--config={self.written('proxy.yaml', yaml.safe_dump(config))}")

    def name_server(self) -> None:
        for each in settings.DNS_ROLE:
            self.plane.api.apply(each)
        text = settings.corefile(self.plane.config_for("system:coredns"))
        self.other("dns", self.dns, "-conf", self.written("Corefile", text))

    def ready(self) -> bool:
        """Whether pods can be scheduled."""
        nodes = self.plane.api.list("v1", "Node")
        conditions = nodes[0].get("status", {}).get("conditions", ()) if nodes else ()
        ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
        return ready and not nodes[0]["spec"].get("taints")

    def other(self, name: str, *command: str | Path) -> Component:
        """Start what is not a part of Kubernetes."""
        component = Component(name, command, self.plane.logs / f"{name}.log")
        self.plane.components[name] = component
        component.start()
        return component

    def written(self, name: str, text: str) -> Path:
        file = self.config / name
        file.write_text(text)
        return file


def answers() -> bool:
    """Whether containerd serves: its plugins may come up after its socket."""
    command = [*settings.CTR, "containers", "list"]
    return settings.SOCKET.exists() and subprocess.run(command, check=False, capture_output=True).returncode == 0


def load(image: Path) -> None:
    """Import the images of an archive (OCI, or as docker saves them)."""
    command = [*settings.CTR, "images", "import", str(image)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise ClusterError(f"containerd does not import {image}:\n{done.stdout}{done.stderr}")


def reap(own: set[int]) -> None:
    """Collect orphans that ended: they are handed to the first process. Its own children collect themselves."""
    with suppress(ChildProcessError):
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and ended.si_pid not in own:
            os.waitpid(ended.si_pid, 0)


def main(place: str, kubernetes: str, dns: str, *images: str) -> None:
    workdir = Workdir.existing(Path(place))
    asked: list[int] = []
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda number, _: asked.append(number))
    try:
        enclosure.furnish(workdir)
        every = (*programs.NEEDED, *programs.CONTROLLERS, *programs.NODE)
        node = Node(workdir, programs.one_for_all(Path(kubernetes), every), Path(dns))
        node.start([Path(image) for image in images])
    except (ClusterError, OSError) as error:
        (workdir.path / "failed").write_text(str(error))
        sys.exit(1)
    (workdir.path / "ready").touch()
    while not asked:
        reap({component.pid for component in node.plane.components.values() if component.process})
        time.sleep(0.2)
    node.plane.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
