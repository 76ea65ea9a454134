"""``signalbox router``: the router of a cluster, from mounted files."""

import asyncio
import ipaddress
import logging
import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import click

from signalbox.cli.options import access_log_option, allow_cidr_option, listens, log_target
from signalbox.cli.stopping import Signals, stop
from signalbox.control.client import Client, Endpoint
from signalbox.loglines import to_standard_error
from signalbox.router.options import ProxyOptions, SupervisorOptions
from signalbox.router.process.choice import ALONE_SECONDS
from signalbox.router.process.follower import Follower
from signalbox.router.process.forked import fork
from signalbox.router.process.stream import Bridge
from signalbox.router.process.supervisor import Supervisor
from signalbox.router.process.worker import be
from signalbox.router.serving.proxy import Proxy
from signalbox.router.wire.errors import ConfigRejectedError
from signalbox.routing.config import Address

EPILOG = """\b
What it reads:
  CONFIG-DIR/config.json   the compiled configuration, as the operator writes it
  SECRETS-DIR/ENTRY        one file for each secret entry that the configuration names

Both are looked at twice a second. With --control-url, new configurations come from the operator as well, at once; when
it is gone, the files go on to count. A new configuration counts once every entry that it names is there; one that
cannot serve is refused as a whole, and the one before goes on. Until the first one is complete nothing listens: probes
fail, and standard error says what is missing. The access log goes to standard output.

On SIGTERM readiness fails at once, new connections are taken for --grace more seconds, requests in flight finish.
Exit codes: 0 ended as asked, 1 could not serve or was ended by force, 2 wrong usage.
"""


@click.command(epilog=EPILOG)
@click.option("--config-dir", type=click.Path(path_type=Path), required=True, help="Directory with config.json.")
@click.option("--secrets-dir", type=click.Path(path_type=Path), required=True, help="Directory with secret entries.")
@click.option(
    "--listen", default="0.0.0.0:8080", show_default=True, metavar="HOST:PORT", callback=listens, help="For clients."
)
@click.option(
    "--admin",
    default="0.0.0.0:9090",
    show_default=True,
    metavar="HOST:PORT",
    callback=listens,
    help="For /metrics, /readyz and /healthz: open, and without secrets.",
)
@click.option("--control-url", metavar="URL", help="Where the operator's control stream is: https://…")
@click.option("--control-ca", type=click.Path(path_type=Path), metavar="FILE", help="Who signs for that, in PEM.")
@click.option("--control-token", type=click.Path(path_type=Path), metavar="FILE", help="Who this router is.")
@click.option(
    "--tls-dir",
    type=click.Path(path_type=Path),
    help="Serve HTTPS, with tls.crt and tls.key of this directory; new ones are in force within seconds.",
)
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes on the port.")
@allow_cidr_option("Let backends be in a network that is closed otherwise, such as link-local; repeatable.")
@access_log_option
@click.option("--grace", type=click.FloatRange(0, 300), default=5.0, show_default=True, help="Seconds; see below.")
@click.option(
    "--drain-timeout",
    type=click.FloatRange(0),
    default=600.0,
    show_default=True,
    help="Seconds that requests in flight may take to finish at the end.",
)
def router(
    config_dir: Path,
    secrets_dir: Path,
    listen: Address,
    admin: Address,
    tls_dir: Path | None,
    control_url: str | None,
    control_ca: Path | None,
    control_token: Path | None,
    workers: int,
    allow_cidrs: tuple[str, ...],
    access_log: str,
    grace: float,
    drain_timeout: float,
) -> None:
    """Route requests by a compiled configuration.

    The operator runs this in each router's pods; it needs neither the operator nor the API server to serve.
    """
    to_standard_error("%(levelname)s %(name)s: %(message)s", logging.WARNING, secret=True)
    control = _control(control_url, control_ca, control_token)
    options = SupervisorOptions(
        host=listen.host,
        port=listen.port,
        admin_host=admin.host,
        admin_port=admin.port,
        workers=workers,
        proxy=ProxyOptions(
            allow_cidrs=allow_cidrs,
            deny_cidrs=api_server(os.environ),
            deny_hosts=operator_host(control_url),
            lease_patience=ALONE_SECONDS if control is not None else 0.0,
        ),
        access_log=log_target(access_log),
        drain_timeout=drain_timeout,
        tls_directory=str(tls_dir) if tls_dir else None,
    )
    supervise = partial(Supervisor, options, forked=fork(workers, partial(be, Proxy)))
    sys.exit(asyncio.run(_serve(supervise, workers, Follower(config_dir, secrets_dir, _say), control, grace)))


def api_server(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Where the kubelet says that the API server is: no backend is there."""
    host = environment.get("KUBERNETES_SERVICE_HOST", "")
    try:
        return (str(ipaddress.ip_address(host)),)
    except ValueError:
        return ()


def operator_host(url: str | None) -> tuple[str, ...]:
    """Where the operator is found: no backend is there, either."""
    host = urlsplit(url).hostname if url else None
    return (host,) if host else ()


def _control(url: str | None, ca: Path | None, token: Path | None) -> Endpoint | None:
    if url is None and ca is None and token is None:
        return None
    if url is None or ca is None or token is None:
        raise click.UsageError("--control-url, --control-ca and --control-token go together: give all three or none")
    try:
        parts = urlsplit(url)
        good = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0 and url.isascii()
    except ValueError:
        good = False
    if not good:
        raise click.UsageError("--control-url must be like https://signalbox-leader.signalbox.svc:9443/v1/control")
    return Endpoint(url, ca, token)


async def _serve(
    supervise: Callable[[], Supervisor], workers: int, follower: Follower, control: Endpoint | None, grace: float
) -> int:
    bridge = Bridge(follower, workers, _say)
    if control is None:
        return await _run(supervise, follower, bridge, grace)
    client = Client(control, bridge)
    follower.changed = client.changed
    streaming = asyncio.create_task(client.run())
    try:
        return await _run(supervise, follower, bridge, grace)
    finally:
        streaming.cancel()


async def _run(supervise: Callable[[], Supervisor], follower: Follower, bridge: Bridge, grace: float) -> int:
    signals = Signals()
    asked = asyncio.create_task(signals.asked.wait())
    starting = asyncio.create_task(_start(supervise, follower))
    await asyncio.wait({starting, asked}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        return 0
    supervisor = bridge.supervisor = starting.result()
    follower.changed()
    following = asyncio.create_task(follower.follow(supervisor))
    await asyncio.wait({following, asked}, return_when=asyncio.FIRST_COMPLETED)
    if following.done():
        asked.cancel()
        await supervisor.stop()
        following.result()
    following.cancel()
    return await stop(supervisor, signals, grace)


async def _start(supervise: Callable[[], Supervisor], follower: Follower) -> Supervisor:
    """Start with the first files that can serve. Raises ``ClickException`` when a port is taken."""
    while True:
        found = await follower.next()
        supervisor = supervise()
        try:
            await supervisor.start(found.config, found.secrets)
        except ConfigRejectedError as error:
            follower.refused(str(error))
        except OSError as error:
            raise click.ClickException(error.strerror or str(error)) from None
        else:
            follower.accepted()
            _say(f"serving on port {supervisor.port}, admin on port {supervisor.admin_port}")
            return supervisor


def _say(text: str) -> None:
    click.echo(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {text}", err=True)
