"""``signalbox dashboard``: the live page of the operator that leads, on this machine."""

import asyncio
import contextlib
import shutil
import signal
import socket
import sys
import webbrowser
from collections.abc import AsyncIterator

import click

from signalbox.cli.options import LEASE, PAGE_PORT

# How often it is asked who leads, and how long after a failure the way is looked for again.
LOOK_SECONDS = 5.0
AGAIN_SECONDS = 2.0
ANSWER_SECONDS = 30.0
# For so long kubectl is asked to end, and then it is ended.
END_SECONDS = 3.0

EPILOG = """\b
It finds the holder of the Lease signalbox-operator and runs kubectl port-forward to its pod; when another one leads, it
follows. The operator serves the page on the loopback address of its pod only: who may see it is who may forward a port
of that pod. For that it takes, in the operator's namespace: get on leases, get on pods, create on pods/portforward.

\b
Examples:
  signalbox dashboard
  signalbox dashboard -n platform --context production --no-open

\b
Without kubectl port-forward there is no way in. By hand:
  kubectl -n NAMESPACE get lease signalbox-operator -o jsonpath='{.spec.holderIdentity}'      # POD_...
  kubectl -n NAMESPACE port-forward pod/POD 8090
"""


class Away(Exception):  # noqa: N818 - a state of the cluster
    """There is no way to the leader now."""


@click.command(epilog=EPILOG)
@click.option("-n", "--namespace", default="signalbox", show_default=True, help="Where the operator runs.")
@click.option("--context", help="Context of the kubeconfig. Default: the current one.")
@click.option("--port", type=click.IntRange(1, 65535), help=f"On this machine. Default: {PAGE_PORT}, or a free one.")
@click.option("--pod-port", type=click.IntRange(1, 65535), default=PAGE_PORT, show_default=True, help="In the pod.")
@click.option("--open/--no-open", "opens", default=None, help="Open a browser. Default: in a terminal.")
def dashboard(namespace: str, context: str | None, port: int | None, pod_port: int, opens: bool | None) -> None:
    """Open the live page of the operator in a cluster."""
    program = shutil.which("kubectl")
    if program is None:
        raise click.ClickException("kubectl is not found, and the way to the page is kubectl port-forward: install it")
    kubectl = [program, *(["--context", context] if context else []), "-n", namespace]
    way = Way(kubectl, namespace, port or _free(PAGE_PORT), pod_port)
    try:
        asyncio.run(_run(way, sys.stdout.isatty() if opens is None else opens))
    except Away as away:
        raise click.ClickException(str(away)) from None


class Way:
    """To the pod that leads. ``port`` is on this machine and stays the same: the page finds its way back to it."""

    def __init__(self, kubectl: list[str], namespace: str, port: int, pod_port: int) -> None:
        self._kubectl, self._namespace, self._pod_port = kubectl, namespace, pod_port
        self.url = f"http://127.0.0.1:{port}/"
        self.port = port

    async def leader(self) -> str:
        """The pod that holds the Lease. Raises ``Away``."""
        asked = [*self._kubectl, "get", "lease", LEASE, "-o", "jsonpath={.spec.holderIdentity}"]
        process = await asyncio.create_subprocess_exec(
            *asked, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                out, err = await process.communicate()
        except TimeoutError:
            raise Away("kubectl does not answer") from None
        finally:
            await _end(process)
        if process.returncode:
            raise Away(f"who leads is not known: {_last(err)}")
        pod = out.decode().strip().rpartition("_")[0]
        if not pod:
            raise Away(f"nobody leads: the Lease {self._namespace}/{LEASE} has no holder at the moment")
        return pod

    @contextlib.asynccontextmanager
    async def forwarded(self, pod: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """A process that forwards to the pod, as long as it lives. Raises ``Away``."""
        process = await asyncio.create_subprocess_exec(
            *self._kubectl, "port-forward", "--address", "127.0.0.1", f"pod/{pod}", f"{self.port}:{self._pod_port}",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        drains: list[asyncio.Task[None]] = []
        try:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    first = await process.stdout.readline()
            except TimeoutError:
                raise Away("kubectl port-forward does not answer") from None
            if not first:
                raise Away(f"the way to pod {pod} is closed: {_last(await process.stderr.read())}")
            drains = [asyncio.create_task(_drain(pipe)) for pipe in (process.stdout, process.stderr)]
            yield process
        finally:
            await _end(process)
            for drain in drains:
                drain.cancel()


async def _run(way: Way, opens: bool) -> None:
    """Forward until a signal comes. Raises ``Away`` only if there was no way at all."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    following = asyncio.create_task(_follow(way, opens))
    stopping = asyncio.create_task(stopped.wait())
    await asyncio.wait({following, stopping}, return_when=asyncio.FIRST_COMPLETED)
    for task in (following, stopping):
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await following


async def _follow(way: Way, opens: bool) -> None:
    began, said = False, ""
    while True:
        try:
            pod = await way.leader()
            async with way.forwarded(pod) as process:
                click.echo(f"{way.url}  (pod {pod} leads; Ctrl-C ends)")
                if opens and not began:
                    await asyncio.to_thread(webbrowser.open, way.url)
                began, said = True, ""
                await _until_another_leads(way, pod, process)
        except Away as away:
            if not began:
                raise
            if said != (said := str(away)):
                click.echo(f"{said}; it is tried again", err=True)
        await asyncio.sleep(AGAIN_SECONDS)


async def _until_another_leads(way: Way, pod: str, process: asyncio.subprocess.Process) -> None:
    """Or until the way is closed."""
    ended = asyncio.create_task(process.wait())
    try:
        while not ended.done():
            await asyncio.wait({ended}, timeout=LOOK_SECONDS)
            with contextlib.suppress(Away):  # the page is there as long as the pod is
                if await way.leader() != pod:
                    return
    finally:
        ended.cancel()


async def _drain(pipe: asyncio.StreamReader) -> None:
    """Nobody reads what it says of each connection."""
    while await pipe.read(4096):
        pass


async def _end(process: asyncio.subprocess.Process) -> None:
    for end in (process.terminate, process.kill):
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError, TimeoutError):
                end()
                async with asyncio.timeout(END_SECONDS):
                    await process.wait()


def _last(said: bytes) -> str:
    """What kubectl says when it fails: the last line."""
    lines = said.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "kubectl says nothing"


def _free(wish: int) -> int:
    """``wish`` if nobody has it, else any free port."""
    for port in (wish, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                found: int = probe.getsockname()[1]
                return found
    raise click.ClickException("no free port on 127.0.0.1")
