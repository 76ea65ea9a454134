"""What the Makefile asks for: ``python -m cluster --help``."""

import json
import os
import sys
import sysconfig
from pathlib import Path

import click

from cluster import cache, programs
from cluster.build import helm, kstatus, prometheus, promtool
from cluster.errors import ClusterError
from cluster.node import installation, outside, packages, product
from cluster.node.outside import Enclosure
from cluster.running import connected
from cluster.workdir import Workdir

ADDRESS = "kubectl get service chat-router -o jsonpath={.spec.clusterIP}"  # names are found from pods only
QUESTION = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "hello"}]})


def say(text: str) -> None:
    click.echo(text, err=True)


def note() -> Path:
    """Where it is written down which cluster stays up."""
    return cache.root() / "cluster.json"


def standing() -> Enclosure | None:
    """The cluster that ``up`` left running."""
    if not note().exists():
        return None
    known = json.loads(note().read_text())
    place = Path(known["directory"])
    if not place.exists() or not outside.is_ours(known["pid"], place):
        note().unlink()
        return None
    return Enclosure(Workdir.existing(place), known["pid"])


def set_up(found: Enclosure) -> None:
    """What a cluster that stays up has from the start: the chart with the image of this tree, and something to try."""
    installation.load_image(found, say)
    with found.network(), connected(found.kubeconfig, crds=False, controllers=True) as cluster:
        say("installing the chart")
        installation.install(cluster)
        installation.apply_first(cluster, "default")


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command()
@click.option("--monitoring", is_flag=True, help="Prometheus, too.")
def build(*, monitoring: bool) -> None:
    """Build the control plane, unless it is cached or another one is to be used, and the tools of the tests."""
    if not os.environ.get("KUBECONFIG"):
        programs.find(say)
    helm(say)
    kstatus(say)
    if monitoring:
        promtool(say)
        prometheus(say)


@main.command()
def image() -> None:
    """Make the image of this tree, as `make test-cluster` would."""
    packages.ensure(say)
    click.echo(f"it is in the archive {product.image(say)}")


@main.command()
def up() -> None:
    """Start a cluster with a node that stays up."""
    found = standing()
    if not found:
        found = outside.start(say, detached=True)
        note().parent.mkdir(parents=True, exist_ok=True)
        note().write_text(json.dumps({"directory": str(found.workdir.path), "pid": found.pid}))
    set_up(found)
    click.echo(f"KUBECONFIG={found.kubeconfig}")
    path = f"PATH={sysconfig.get_path('scripts')}:$PATH"  # kubectl is there
    click.echo(f"enter it with: {' '.join(found.enter('env', f'KUBECONFIG={found.kubeconfig}', path, 'bash'))}")
    click.echo("in there, ask a router for a completion:")
    click.echo(f"  curl -s $({ADDRESS}):8080/v1/chat/completions -d '{QUESTION}'")
    click.echo("  kubectl get signalbox; kubectl edit routingpolicy chat")
    click.echo(f"logs: {found.workdir.path / 'logs'}; remove it with: make cluster-down")


@main.command()
def down() -> None:
    """Remove the cluster that stays up, and every trace of it."""
    found = standing()
    if found:
        found.stop()
        note().unlink()
        click.echo("removed")
    else:
        outside.sweep()
        click.echo("no cluster is up")


if __name__ == "__main__":
    try:
        main()
    except ClusterError as error:
        sys.exit(f"error: {error}")
