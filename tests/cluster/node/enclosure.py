"""The namespaces of a node, seen from inside: what is mounted and which network there is.

Everything that a node would leave on the machine (interfaces, rules, mounts, state below /run and /var/lib, kernel
settings) stays in here, and goes with the last process.
"""

import subprocess
from pathlib import Path

from cluster.workdir import Workdir

ADDRESS = "10.250.0.1"
KUBELET = Path("/var/lib/kubelet")  # where a kubelet expects itself to be; it makes sockets, whose paths must be short

# A kubelet sets these for the whole machine unless they have the values that it wants: it finds them here.
TUNABLES = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1000000,
    "kernel/keys/root_maxbytes": 25000000,
}


def furnish(workdir: Workdir) -> None:
    """Set up mounts and network in new namespaces."""
    mounts(workdir.sub("mounts"))
    KUBELET.mkdir(exist_ok=True)
    run("mount", "--bind", str(workdir.sub("kubelet")), str(KUBELET))  # volumes of pods: on a disk, not in memory
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "node0", "type", "bridge")  # a dummy device would do, but not every kernel has it
    run("ip", "address", "add", f"{ADDRESS}/24", "dev", "node0")
    run("ip", "link", "set", "node0", "up")
    run("ip", "route", "add", "default", "dev", "node0")  # Service addresses need some route before rules catch them
    for name in ("ipv4/ip_forward", "ipv4/conf/all/route_localnet"):
        Path(f"/proc/sys/net/{name}").write_text("1")


def mounts(scratch: Path) -> None:
    run("mount", "-t", "tmpfs", "tmpfs", str(scratch))
    run("mount", "-t", "tmpfs", "tmpfs", "/run")
    for number, place in enumerate(("/var/lib", "/var/log")):
        upper, work = scratch / f"{number}-upper", scratch / f"{number}-work"
        upper.mkdir()
        work.mkdir()
        run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={place},upperdir={upper},workdir={work}", place)
    for name, value in TUNABLES.items():
        fake = scratch / name.replace("/", ".")
        fake.write_text(f"{value}\n")
        run("mount", "--bind", str(fake), f"/proc/sys/{name}")


def run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
