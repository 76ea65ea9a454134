"""``signalbox operator``: makes a cluster what its ModelBackends and RoutingPolicies say."""

import asyncio
import logging
import signal
import sys

import click

from signalbox.controller.run import Operator
from signalbox.kube.access import NoAccess
from signalbox.plan.children import OperatorSettings

EPILOG = """\b
Who it is: the ServiceAccount of its pod, or the current context of a kubeconfig ($KUBECONFIG, ~/.kube/config).

\b
Examples:
  signalbox operator --image example.com/signalbox:0.1.0
  signalbox operator --image example.com/signalbox:0.1.0 --namespace team-a --namespace team-b

On SIGTERM it ends at once: everything that it does can be done again by the next one.
Exit codes: 0 ended as asked, 1 no access to a cluster, 2 wrong usage.
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
@click.option("-v", "--verbose", is_flag=True, help="Say what is written.")
def operator(image: str, image_pull_policy: str, namespaces: tuple[str, ...], verbose: bool) -> None:
    """Reconcile the policies of a cluster into running routers."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("kopf").setLevel(logging.WARNING)
    settings = OperatorSettings(image=image, image_pull_policy=image_pull_policy)
    try:
        asyncio.run(_run(settings, namespaces))
    except NoAccess as error:
        raise click.ClickException(str(error)) from None
    sys.exit(0)


async def _run(settings: OperatorSettings, namespaces: tuple[str, ...]) -> None:
    running = Operator(settings, namespaces)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, running.stop)
    await running.run()
