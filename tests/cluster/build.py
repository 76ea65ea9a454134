"""Building the Go modules of this directory, with signs of life: the first time it takes minutes."""

import hashlib
import os
import re
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cluster import cache, golang
from cluster.errors import ClusterError

HERE = Path(__file__).parent
KUBERNETES, DNS, PAUSE, TOOLS = HERE / "kubernetes", HERE / "dns", HERE / "pause", HERE / "tools"
PROMETHEUS = HERE / "prometheus"
PROGRESS_SECONDS = 5.0
Say = Callable[[str], None]


@dataclass(frozen=True)
class Target:
    """One program: a module, and how to build it."""

    name: str
    module: Path
    tags: str = ""
    variables: tuple[str, ...] = ()  # of the linker's -X
    package: str = "."


def required(module: Path, dependency: str) -> str:
    """The version of a dependency in ``go.mod``, such as ``1.36.3``."""
    found = re.search(rf"{re.escape(dependency)} v(\S+)", (module / "go.mod").read_text())
    if not found:
        raise ClusterError(f"{module / 'go.mod'} does not require {dependency}")
    return found[1]


def kubernetes_version() -> str:
    """The version of Kubernetes that is built."""
    return required(KUBERNETES, "k8s.io/kubernetes")


def kubernetes(say: Say, *, node: bool = False) -> Path:
    """The program that is each component of the control plane; with ``node`` kubelet and kube-proxy, too."""
    version = kubernetes_version()
    major, minor, _ = version.split(".", 2)
    # Built from source as a module, it would call itself v0.0.0 and clients would think that it lacks everything.
    variables = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    return program(
        Target(
            name="kubernetes-node" if node else "kubernetes",
            module=KUBERNETES,
            tags="node" if node else "",
            variables=tuple(f"k8s.io/component-base/version.{key}={value}" for key, value in variables.items()),
        ),
        say,
    )


def dns(say: Say) -> Path:
    """CoreDNS."""
    return program(Target("dns", DNS), say)


def pause(say: Say) -> Path:
    """The process of a pod's sandbox."""
    return program(Target("pause", PAUSE), say)


def helm(say: Say) -> Path:
    """The real Helm."""
    version = required(TOOLS, "helm.sh/helm/v4")
    variable = f"helm.sh/helm/v4/internal/version.version=v{version}"
    return program(Target("helm", TOOLS, variables=(variable,), package="helm.sh/helm/v4/cmd/helm"), say)


def kstatus(say: Say) -> Path:
    """What judges an object as Flux does; see its source."""
    return program(Target("kstatus", TOOLS, package="./kstatus"), say)


def prometheus(say: Say) -> Path:
    """The real Prometheus server."""
    return _prometheus("prometheus", say)


def promtool(say: Say) -> Path:
    """What checks and tests Prometheus' rules."""
    return _prometheus("promtool", say)


def _prometheus(name: str, say: Say) -> Path:
    """Without the clients of all clouds, in which targets could be found: those take most of the time."""
    package = f"github.com/prometheus/prometheus/cmd/{name}"
    return program(Target(name, PROMETHEUS, tags="remove_all_sd", package=package), say)


def program(target: Target, say: Say) -> Path:
    """The program, from the cache or built now."""
    go = golang.find(target.module, say)
    name = f"bin/{target.name}-{digest(target, golang.version(go))}"
    return cache.made(name, lambda place: compile_to(place, target, go, say), say)


def digest(target: Target, go: str) -> str:
    """A hash of all that decides what comes out."""
    parts = [go, *os.uname()[::4], target.tags, *target.variables, *sorted(golang.ENVIRONMENT.values())]
    here = [] if target.package == "." else (target.module / target.package).glob("*.go")
    for file in sorted([*target.module.glob("*.go"), *target.module.glob("go.*"), *here]):
        parts += [file.name, file.read_text()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def compile_to(place: Path, target: Target, go: Path, say: Say) -> None:
    """Build a program at a place, telling every few seconds how far it is."""
    linker = " ".join(["-s", "-w", *(f"-X {variable}" for variable in target.variables)])
    command = [str(go), "build", "-v", "-tags", target.tags, "-ldflags", linker, "-o", str(place), target.package]
    environment = {**os.environ, **golang.ENVIRONMENT}
    say(f"building {target.name} with {golang.version(go)} (minutes the first time, cached afterwards)")
    progress = Progress(target.name)
    with subprocess.Popen(
        command, cwd=target.module, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        reader = threading.Thread(target=progress.read, args=(process,), daemon=True)
        reader.start()
        try:
            while True:
                try:
                    status = process.wait(PROGRESS_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    say(progress.line())
        except BaseException:  # interrupted: do not go on alone in the background
            process.kill()
            raise
        reader.join()
    if status:
        raise ClusterError(f"{target.name} could not be built; go said:\n" + "\n".join(progress.last))
    say(f"built {target.name} in {progress.seconds():.0f} s")


class Progress:
    """What ``go build -v`` says, counted: modules that it downloads, then packages that it compiles, then linking."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.begin = time.monotonic()
        self.downloads = self.packages = 0
        self.last: deque[str] = deque(maxlen=40)

    def read(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr
        for line in process.stderr:
            self.last.append(line.rstrip())
            if line.startswith("go: downloading"):
                self.downloads += 1
            elif " " not in line.strip():
                self.packages += 1

    def seconds(self) -> float:
        return time.monotonic() - self.begin

    def line(self) -> str:
        now = self.last[-1] if self.last else "looking at what is needed"
        if now.startswith("signalbox.dev/"):
            now = "linking"
        counts = [f"{self.packages} packages compiled"] if self.packages else []
        if self.downloads and not self.packages:
            counts = [f"{self.downloads} modules downloaded"]
        return "  ".join([f"{self.name} {self.seconds():4.0f} s", *counts, now])
