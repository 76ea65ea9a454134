"""``make bench-scale``: how the operator fares with very many policies. Prints figures; progress goes to stderr."""

import os
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import click

from cluster import programs
from cluster.api import MERGE, Api
from cluster.controlplane import ControlPlane
from cluster.processes import free_ports
from cluster.programs import CONTROLLERS, Programs
from cluster.running import apply_crds
from cluster.workdir import Workdir
from scale import objects
from scale.figures import Requests, cpu_seconds, megabytes, writes
from scale.objects import API, Size
from scale.watching import Milestones, Rollouts

USER = "signalbox"
EDITS = 20
STEP_SECONDS = 900.0
# kopf imports the official client where it is installed, as it is for the tests and is not in the image: 17 MB.
AS_IN_THE_IMAGE = """
import sys
sys.modules["kubernetes"] = None
from signalbox.cli.main import main
main(prog_name="signalbox")
"""


def say(text: str) -> None:
    click.echo(text, err=True)


@contextmanager
def plane() -> Iterator[ControlPlane]:
    """A control plane without controllers: what pods do, the benchmark says."""
    found = programs.find(say)
    workdir = Workdir()
    made = ControlPlane(Programs({k: v for k, v in found.commands.items() if k not in CONTROLLERS}), workdir)
    try:
        made.start()
        apply_crds(made.api)
        yield made
    finally:
        made.stop()
        workdir.remove(keep_logs=False)


def fill(api: Api, size: Size) -> None:
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        for make in (objects.namespaces, objects.unrelated, objects.referred, objects.backends, objects.policies):
            done = sum(1 for _ in pool.map(lambda obj: api.create(obj, fieldValidation="Strict"), make(size)))
            say(f"  {make.__name__}: {done} objects, {time.monotonic() - began:.0f} s")


def wait(what: str, began: float, reached: Callable[[], int], wanted: int, operator: subprocess.Popen[bytes]) -> None:
    shown = 0.0
    while (count := reached()) < wanted:
        now = time.monotonic()
        if operator.poll() is not None or now - began > STEP_SECONDS:
            raise click.ClickException(f"{what}: only {count} of {wanted}; see the operator's log")
        if now - shown > 5:
            memory = megabytes(operator.pid)
            say(f"  {now - began:4.0f} s: {what} {count} of {wanted}, operator {memory:.0f} MB")
            shown = now
        time.sleep(0.1)


@click.command(help=__doc__)
@click.option("--policies", default=1000, show_default=True)
@click.option("--backends", default=5000, show_default=True)
@click.option("--unrelated", default=2000, show_default=True, help="Secrets of 100 KB that nobody refers to.")
@click.option("--namespaces", default=50, show_default=True)
@click.option("--stream/--no-stream", default=True, show_default=True, help="Serve the control stream, as in a pod.")
@click.option(
    "--lease/--no-lease", default=True, show_default=True, help="A machine that others keep busy may lose it."
)
@click.option("--rest", default=300, show_default=True, help="Seconds of rest at the end.")
@click.option("--log", type=click.Path(path_type=Path), default=Path(os.devnull), help="Where the operator logs to.")
def main(
    policies: int, backends: int, unrelated: int, namespaces: int, stream: bool, lease: bool, rest: int, log: Path
) -> None:
    size = Size(policies, backends, unrelated, namespaces)
    with plane() as cluster, log.open("wb") as output:
        fill(cluster.api, size)
        config = cluster.config_for(USER, group="system:masters")
        command = [sys.executable, "-c", AS_IN_THE_IMAGE, "operator", "--image", "signalbox:test"]
        command += [] if lease else ["--dev"]
        if stream:
            command += ["--listen", f"127.0.0.1:{free_ports(1)[0]}"]
        milestones, rollouts = Milestones(cluster.api), Rollouts(cluster.api)
        requests = Requests(cluster.audit, USER)
        server = cluster.components["kube-apiserver"].pid
        server_cpu = cpu_seconds(server)
        began = time.monotonic()
        operator = subprocess.Popen(
            [*command, "--probes", "127.0.0.1:0"],
            env={**os.environ, "KUBECONFIG": str(config), "POD_IP": "10.11.12.13"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            for name in Milestones.NAMES:
                wait(name, began, lambda name=name: milestones.reached(name), policies, operator)  # type: ignore[misc]
            time.sleep(2)
            show_start(size, milestones, began)
            used = cpu_seconds(operator.pid), cpu_seconds(server) - server_cpu
            click.echo(f"CPU: operator {used[0]:.1f} s, API server {used[1]:.1f} s")
            show_memory(operator.pid)
            show_requests(requests.news())
            edit(cluster.api, size, milestones)
            show_rest(rest, operator.pid, server, requests)
        finally:
            operator.kill()
            operator.wait()
            milestones.end()
            rollouts.end()


def show_start(size: Size, milestones: Milestones, began: float) -> None:
    click.echo(
        f"{size.policies} policies, {size.backends} backends in {size.namespaces} namespaces,"
        f" {size.unrelated} unrelated Secrets; seconds since the operator's start:"
    )
    for name, meaning in zip(Milestones.NAMES, ("Accepted", "children applied", "Ready"), strict=True):
        times = sorted(at - began for at in milestones.at[name].values())
        click.echo(f"{meaning}: all after {times[-1]:.1f} s, half after {statistics.median(times):.1f} s")


def show_memory(pid: int) -> None:
    click.echo(f"operator's memory: {megabytes(pid):.0f} MB, at the peak {megabytes(pid, 'VmHWM'):.0f} MB")


def show_requests(requests: Counter[tuple[str, str]]) -> None:
    verbs: Counter[str] = Counter()
    for (verb, _), count in requests.items():
        verbs[verb] += count
    click.echo(f"requests: {', '.join(f'{verb} {count}' for verb, count in verbs.most_common())}")
    click.echo(f"  writes: {', '.join(f'{what} {count}' for what, count in writes(requests).most_common())}")


def edit(api: Api, size: Size, milestones: Milestones) -> None:
    """One edit after the other, each until its status is there."""
    seconds = []
    for number in random.sample(range(size.policies), min(EDITS, size.policies)):
        namespace, name = size.namespace(number), f"policy-{number}"
        path = f"/apis/{API}/namespaces/{namespace}/routingpolicies/{name}"
        began = time.monotonic()
        edited = api.call("PATCH", path, {"spec": {"models": [f"edited-{number}"]}}, MERGE)
        while milestones.generations[f"{namespace}/{name}"] < edited["metadata"]["generation"]:
            if time.monotonic() - began > STEP_SECONDS:
                raise click.ClickException(f"the edit of {name} has no status")
            time.sleep(0.002)
        seconds.append(time.monotonic() - began)
    median = statistics.median(seconds)
    click.echo(f"edit to status, {len(seconds)} of them: median {median:.2f} s, longest {max(seconds):.2f} s")


def show_rest(seconds: int, operator: int, server: int, requests: Requests) -> None:
    time.sleep(10)
    requests.news()
    before = cpu_seconds(operator), cpu_seconds(server)
    for past in range(0, seconds, 30):
        say(f"  at rest for {past} of {seconds} s")
        time.sleep(min(30, seconds - past))
    found = requests.news()
    used = cpu_seconds(operator) - before[0], cpu_seconds(server) - before[1]
    click.echo(
        f"{seconds} s of rest: {sum(writes(found).values())} writes, {sum(found.values())} requests,"
        f" CPU operator {used[0]:.1f} s, API server {used[1]:.1f} s"
    )
    show_memory(operator)


if __name__ == "__main__":
    main()
