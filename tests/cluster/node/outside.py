"""A node's namespaces, seen from outside: started, entered, fed with images, and removed without a trace."""

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster import build, cache, workdir
from cluster.build import Say
from cluster.errors import ClusterError
from cluster.node import cgroups, images, packages, settings
from cluster.processes import LEASH, Component
from cluster.workdir import Workdir

READY_SECONDS = 180.0
STOP_SECONDS = 60.0
TESTS = Path(__file__).parents[2]
CLONE_NEWNET = 0x40000000
UNSHARE = ("unshare", "--net", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child", "--mount-proc")


class Enclosure:
    """A running cluster with a node. ``pid`` is the first process in its namespaces, ``child`` what we started."""

    def __init__(self, workdir: Workdir, pid: int, child: subprocess.Popen[bytes] | None = None) -> None:
        self.workdir, self.pid, self.child = workdir, pid, child

    @property
    def kubeconfig(self) -> Path:
        """The administrator's; its server is found in the network namespace only."""
        return self.workdir.path / "admin.kubeconfig"

    def enter(self, *command: str | Path) -> list[str]:
        """A command, as one that runs in the namespaces."""
        return [
            "nsenter",
            f"--target={self.pid}",
            "--net",
            "--mount",
            "--pid",
            f"--wd={Path.cwd()}",
            "--",
            *map(str, command),
        ]

    def run(self, *command: str | Path) -> str:
        """Run a command in the namespaces; what it printed. Raises ``ClusterError``."""
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
        done = subprocess.run(self.enter(*command), check=False, capture_output=True, text=True, env=environment)
        if done.returncode:
            raise ClusterError(f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}")
        return done.stdout

    def load(self, image: Path) -> None:
        """Make the images of an archive (OCI, or as docker saves them) available to pods."""
        self.run(*settings.CTR, "images", "import", image)

    def tails(self, lines: int = 10) -> Iterator[tuple[Path, str]]:
        """The ends of all logs."""
        for log in sorted((self.workdir.path / "logs").glob("*.log")):
            yield log, Component(log.stem, [], log).tail(lines)

    def pods(self, lines: int = 15) -> str:
        """The ends of what pods said; those that have gone said it in vain."""
        try:
            return self.run("sh", "-c", f"tail --lines={lines} /var/log/pods/*/*/*.log")
        except ClusterError as error:
            return str(error)

    @contextmanager
    def network(self) -> Iterator[None]:
        """Move this thread into the cluster's network: it reaches the API server, pods and Services as a node does."""
        with Path("/proc/self/ns/net").open() as home, Path(f"/proc/{self.pid}/ns/net").open() as inside:
            join(inside.fileno())
            try:
                yield
            finally:
                join(home.fileno())

    def stop(self, *, keep_logs: bool = False) -> None:
        """End it, and remove every trace of it."""
        signal_and_wait(self.pid)
        if self.child:
            self.child.wait()
        forget(self.workdir.path.name)
        self.workdir.remove(keep_logs=keep_logs)


def start(say: Say, *, detached: bool = False) -> Enclosure:
    """Start a cluster with a node, building and installing what it needs. Raises ``ClusterError``.

    Detached it stays when this process ends; otherwise it ends with it, however that ends.
    """
    packages.ensure(say)
    kubernetes, dns, archives = build.kubernetes(say, node=True), build.dns(say), images.all_of_them(say)
    sweep()
    own = Workdir()
    register(own.path)
    cgroups.create(own.path.name)
    inner = [sys.executable, "-m", "cluster.node.inside", own.path, kubernetes, dns, *archives]
    leash = [] if detached else [sys.executable, "-I", "-S", LEASH, str(os.getpid())]
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    with (own.sub("logs") / "node.log").open("wb") as log:
        process = subprocess.Popen(
            [str(part) for part in (*leash, *UNSHARE, *inner)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(TESTS), "PATH": path},
            start_new_session=True,
            pass_fds=[own.lock.fileno()],  # the directory is in use while either of us lives
        )
    try:
        return Enclosure(own, await_ready(process, own), process)
    except BaseException:
        process.kill()
        process.wait()
        forget(own.path.name)
        own.remove(keep_logs=True)
        raise


def register(place: Path) -> None:
    """Note that a cluster exists, before it leaves anything outside its directory."""
    notes().mkdir(parents=True, exist_ok=True)
    (notes() / place.name).write_text(str(place))


def forget(name: str) -> None:
    """Remove a cluster's control group, and the note of it."""
    cgroups.remove(name)
    (notes() / name).unlink(missing_ok=True)


def notes() -> Path:
    """One file for each cluster: by its name, with its directory, which may be in anybody's ``$TMPDIR``."""
    return cache.root() / "clusters"


def sweep() -> None:
    """Remove what clusters left whose run was killed."""
    workdir.sweep()
    for note in notes().glob("*"):
        if not (Path(note.read_text()) / "lock").exists():
            forget(note.name)


def is_ours(pid: int, place: Path) -> bool:
    """Whether a process is the first one of the cluster in a directory, not another with its number."""
    try:
        return str(place) in Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return False


def await_ready(process: subprocess.Popen[bytes], workdir: Workdir) -> int:
    """Wait until the node is ready; the first process in its namespaces."""
    deadline = time.monotonic() + READY_SECONDS
    failed = workdir.path / "failed"
    while not (workdir.path / "ready").exists():
        if failed.exists() or process.poll() is not None or time.monotonic() > deadline:
            said = failed.read_text() if failed.exists() else (workdir.path / "logs" / "node.log").read_text()
            raise ClusterError(
                f"no node: {said or f'not ready after {READY_SECONDS:.0f} s'}\nlogs: {workdir.path}/logs"
            )
        time.sleep(0.05)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(children[0])


def signal_and_wait(pid: int) -> None:
    """Ask the first process to end, and wait until it, and with it all others, are gone."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    deadline = time.monotonic() + STOP_SECONDS
    with os.fdopen(handle):
        os.kill(pid, 15)
        while Path(f"/proc/{pid}/stat").exists() and not zombie(pid):
            if time.monotonic() > deadline:
                os.kill(pid, 9)
            time.sleep(0.05)


def zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def join(namespace: int) -> None:
    """Move the calling thread into a network namespace (``os.setns`` came with Python 3.12)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
