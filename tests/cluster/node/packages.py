"""What a node needs of the machine: Linux, root, and a few Debian packages, installed when they are missing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from cluster.build import Say
from cluster.errors import ClusterError

# A file that each package brings; together they run containers, and make the base image and ours.
PACKAGES = {
    "containerd": "containerd",
    "runc": "runc",
    "containernetworking-plugins": "/usr/lib/cni/bridge",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "iproute2": "ip",
    "debootstrap": "debootstrap",
    "buildah": "buildah",
}


def ensure(say: Say) -> None:
    """Install what is missing. Raises ``ClusterError`` where no node can run."""
    if sys.platform != "linux" or os.geteuid() != 0:
        raise ClusterError("a node needs Linux and root: run it as root, or use the tests without a node (make test)")
    missing = [package for package, file in PACKAGES.items() if not there(file)]
    if not missing:
        return
    if not shutil.which("apt-get"):
        raise ClusterError(f"a node needs {', '.join(missing)}, and there is no apt-get here: install them yourself")
    say(f"installing {' '.join(missing)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *missing]):
        done = subprocess.run(
            ["apt-get", "--quiet", *command], check=False, capture_output=True, text=True, env=environment
        )
        if done.returncode:
            raise ClusterError(f"apt-get {command[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def there(file: str) -> bool:
    """Whether a program is on PATH (administrators' directories included), or a file exists."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    return Path(file).exists() if file.startswith("/") else shutil.which(file, path=path) is not None
