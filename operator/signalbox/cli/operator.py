"""``signalbox operator``: makes a cluster what its ModelBackends and RoutingPolicies say."""

import asyncio
import os
import secrets
import signal
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Literal

import click

from signalbox.cli.logs import Format, set_up
from signalbox.cli.options import LEASE, PAGE_PORT, allow_cidr_option, page_option, serves
from signalbox.controller.run import Election, Listening, Operator
from signalbox.controller.serving.stream import StreamOptions
from signalbox.kube.access import NoAccess
from signalbox.kube.lease import LeaseLost
from signalbox.plan.children import OperatorSettings
from signalbox.routing.addresses import read_address
from signalbox.routing.config import Address

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

# The API server takes objects of 10,000 levels where a schema is open, and who cannot read one cannot read its list.
# kopf needs some frames for each level; decoders need less than 4 MB of the stack for all. Early releases of 3.12
# have a limit of a few thousand levels, which nothing raises.
FRAMES = 40_000

LISTEN = "0.0.0.0:9443"
METRICS = "0.0.0.0:8443"
PROBES = "0.0.0.0:8081"
PAGE = f"127.0.0.1:{PAGE_PORT}"

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
@click.option(
    "--listen",
    metavar="HOST:PORT",
    callback=serves,
    help=f"HTTPS, where routers find the control stream. Default: {LISTEN} in a pod, nowhere else.",
)
@click.option(
    "--leader-service",
    default="signalbox-leader",
    show_default=True,
    metavar="NAME",
    help="Service without a selector in the operator's namespace; its EndpointSlice leads to the leader ($POD_IP).",
)
@click.option(
    "--tls-secret",
    default="signalbox-tls",
    show_default=True,
    metavar="NAME",
    help="Secret in the operator's namespace, where it keeps its authority and certificate; it makes both itself.",
)
@click.option(
    "--webhook",
    metavar="NAME",
    help="MutatingWebhookConfiguration that adds routers to pods; the leader writes its caBundle. Default: none.",
)
@click.option(
    "--webhook-service", metavar="NAME", help="Service in the operator's namespace by which the API server calls it."
)
@click.option(
    "--metrics",
    metavar="HOST:PORT",
    callback=serves,
    help=f"HTTPS, /metrics for who may get that path; with --listen only. Default: {METRICS} in a pod, nowhere else.",
)
@click.option(
    "--probes",
    metavar="HOST:PORT",
    callback=serves,
    help=f"Serve /healthz and /readyz. Default: {PROBES} in a pod, nowhere else.",
)
@page_option(
    "The live page, on a loopback address: kubectl port-forward is the way to it (signalbox dashboard). "
    f'Default: {PAGE} in a pod, nowhere else; "none" for nowhere.'
)
@allow_cidr_option("Let backends have addresses that are closed otherwise, such as loopback or link-local; repeatable.")
@click.option("--dev", is_flag=True, help="No Lease: this is the only one that runs, on a developer's machine, say.")
@click.option(
    "--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Lines of the log."
)
@click.option("-v", "--verbose", is_flag=True, help="Log each reconcile, too.")
def operator(
    image: str,
    image_pull_policy: str,
    namespaces: tuple[str, ...],
    lease_namespace: str | None,
    listen: Address | None,
    leader_service: str,
    tls_secret: str,
    webhook: str | None,
    webhook_service: str | None,
    metrics: Address | None,
    probes: Address | None,
    page: Address | Literal["none"] | None,
    allow_cidrs: tuple[str, ...],
    dev: bool,
    log_format: Format,
    verbose: bool,
) -> None:
    """Reconcile the policies of a cluster into running routers."""
    set_up(log_format, verbose=verbose)
    settings = OperatorSettings(image=image, image_pull_policy=image_pull_policy, allow_cidrs=allow_cidrs)
    home, in_pod = lease_namespace or own_namespace(), SERVICE_ACCOUNT.exists()
    election = None if dev else Election(home, LEASE, identity())
    listening = Listening(
        probes=probes or (read_address(PROBES) if in_pod else None),
        page=None if page == "none" else page or (read_address(PAGE) if in_pod else None),
    )
    if (at := listen or (read_address(LISTEN) if in_pod else None)) is not None:
        address = os.environ.get("POD_IP")
        stream = StreamOptions(at, home, leader_service, tls_secret, address, webhook, webhook_service)
        at_metrics = metrics or (read_address(METRICS) if in_pod else None)
        listening = replace(listening, stream=stream, metrics=at_metrics)
    elif metrics is not None:
        raise click.UsageError("--metrics needs the certificate that comes with --listen: give both")
    sys.setrecursionlimit(FRAMES)
    try:
        asyncio.run(_run(settings, namespaces, election, listening))
    except LeaseLost as lost:
        click.echo(f"Error: {lost}; another one may act now", err=True)
        sys.exit(3)
    except OSError as error:
        raise click.ClickException(error.strerror or str(error)) from None
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


async def _run(
    settings: OperatorSettings, namespaces: tuple[str, ...], election: Election | None, listening: Listening
) -> None:
    running = Operator(settings, namespaces, election, listening)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, running.stop)
    await running.run()
