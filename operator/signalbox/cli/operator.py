"""``signalbox operator``: makes a cluster what its ModelBackends and RoutingPolicies say."""

import asyncio
import logging
import secrets
import signal
import socket
import sys
from pathlib import Path

import click

from signalbox.controller.run import Election, Operator
from signalbox.kube.access import NoAccess
from signalbox.kube.lease import LeaseLost
from signalbox.plan.children import OperatorSettings

LEASE = "signalbox-operator"
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

EPILOG = """\b
Who it is: the ServiceAccount of its pod, or the current context of a kubeconfig ($KUBECONFIG, ~/.kube/config).

\b
Examples:
  signalbox operator --image example.com/signalbox:0.1.0 --dev
  signalbox operator --image example.com/signalbox:0.1.0
  signalbox operator --image example.com/signalbox:0.1.0 --namespace team-a --namespace team-b

Any number of them may run: all watch, and the one that holds the Lease acts. On SIGTERM it hands the Lease over.
Exit codes: 0 ended as asked, 1 no access to a cluster, 2 wrong usage, 3 the Lease was lost: start it again.
"""


@click.command(epilog=EPILOG)
@click.option("--image", required=True, envvar="SIGNALBOX_IMAGE", show_envvar=True, help="Image of the routers.")
@click.option(
    "--image-pull-policy",
    type=click.Choice(["Always", "IfNotPresent", "Never"]),
    default="IfNotPresent",
    show_default=True,
    help="How the routers' image is pulled.",
)
@click.option("--namespace", "namespaces", multiple=True, help="Watch this namespace; repeatable. Default: all.")
@click.option(
    "--lease-namespace",
    envvar="POD_NAMESPACE",
    show_envvar=True,
    help=f"Where the Lease {LEASE} is. Default: the namespace of its ServiceAccount, or of no pod: default.",
)
@click.option("--dev", is_flag=True, help="No Lease: this is the only one that runs, on a developer's machine, say.")
@click.option("-v", "--verbose", is_flag=True, help="Say what is written.")
def operator(
    image: str,
    image_pull_policy: str,
    namespaces: tuple[str, ...],
    lease_namespace: str | None,
    dev: bool,
    verbose: bool,
) -> None:
    """Reconcile the policies of a cluster into running routers."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("kopf").setLevel(logging.WARNING)
    settings = OperatorSettings(image=image, image_pull_policy=image_pull_policy)
    election = None if dev else Election(lease_namespace or own_namespace(), LEASE, identity())
    try:
        asyncio.run(_run(settings, namespaces, election))
    except LeaseLost as lost:
        click.echo(f"Error: {lost}; another one may act now", err=True)
        sys.exit(3)
    except NoAccess as error:
        raise click.ClickException(str(error)) from None
    sys.exit(0)


def identity() -> str:
    """One for each process: a pod that starts again is not the holder that it was."""
    return f"{socket.gethostname()}_{secrets.token_hex(5)}"


def own_namespace() -> str:
    """The namespace of the pod's ServiceAccount."""
    try:
        return (SERVICE_ACCOUNT / "namespace").read_text().strip()
    except OSError:
        return "default"


async def _run(settings: OperatorSettings, namespaces: tuple[str, ...], election: Election | None) -> None:
    running = Operator(settings, namespaces, election)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, running.stop)
    await running.run()
