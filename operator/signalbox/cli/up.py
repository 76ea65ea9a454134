"""``signalbox up``: the router on this machine, from a directory of YAML."""

import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

import click
from aiohttp import web

from signalbox.cli import render
from signalbox.cli.options import (
    PAGE_PORT,
    access_log_option,
    allow_cidr_option,
    filename_option,
    listens,
    log_target,
    namespace_option,
    page_option,
    policies_option,
)
from signalbox.cli.screen import first_screen
from signalbox.cli.stopping import Signals, stop
from signalbox.local.feedback import Feedback
from signalbox.local.live import Change, Live, StartError
from signalbox.local.resources import Options
from signalbox.local.services import read_endpoints
from signalbox.local.source import Located
from signalbox.local.workspace import Workspace
from signalbox.loglines import to_standard_error
from signalbox.plan.observed import Service
from signalbox.router.options import ProxyOptions, SupervisorOptions
from signalbox.router.process.supervisor import Supervisor
from signalbox.router.wire.errors import ConfigRejectedError
from signalbox.routing.address_rules import AddressRules, parse_networks
from signalbox.routing.addresses import AddressError, read_address
from signalbox.routing.config import Address
from signalbox.signals.board import Board
from signalbox.signals.page.listen import serve
from signalbox.signals.page.server import Page, Who
from signalbox.signals.ports import refused

PAGE = f"127.0.0.1:{PAGE_PORT}"
LOOPBACK = ("127.0.0.0/8", "::1/128")

EPILOG = """\b
Examples:
  signalbox up -f policies/
  signalbox up -f policies/ --endpoint llama-8b=127.0.0.1:8000
  signalbox up -f policies/ --endpoint a=10.0.0.1:8000 --endpoint a=10.0.0.2:8000 --allow-cidr 169.254.0.0/16
  SIGNALBOX_SECRET_OPENAI_TOKEN=sk-... signalbox up -f policies/

\b
Where things come from:
  endpoints  of a serviceRef: --endpoint, or Service and EndpointSlice YAML in the directory
  secrets    Secret YAML in the directory; the variable SIGNALBOX_SECRET_<NAME>_<KEY> (upper case, other characters
             as _) overrides it, or stands for it
  workers    --workers, else the largest router.deployment.workers of the policies

The access log goes to standard output, one JSON object a request; everything else to standard error. SIGTERM and
Ctrl-C let the requests in flight finish; a second one ends them. Exit codes: 0 ended as asked, 1 could not serve,
2 wrong usage.
"""


def _endpoints(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, Service]:
    try:
        return read_endpoints(values)
    except AddressError as error:
        raise click.BadParameter(str(error)) from None


@click.command(epilog=EPILOG)
@filename_option
@click.option(
    "--listen",
    default="127.0.0.1:8080",
    show_default=True,
    metavar="HOST:PORT",
    callback=listens,
    help="For clients.",
)
@click.option(
    "--admin",
    default="127.0.0.1:9090",
    show_default=True,
    metavar="HOST:PORT",
    callback=listens,
    help="For /metrics, /readyz and /healthz.",
)
@page_option(f'The live page, for this machine only. Default: {PAGE}, or a free port; "none" for nowhere.')
@namespace_option("Namespace to serve.")
@policies_option("Serve only this policy; repeatable.")
@click.option("--workers", type=click.IntRange(1, 64), help="Processes that share the port.")
@click.option(
    "--endpoint",
    "endpoints",
    multiple=True,
    metavar="NAME=HOST:PORT",
    callback=_endpoints,
    help="Where the ModelBackend NAME, which has a serviceRef, is found; repeatable, also for one NAME.",
)
@allow_cidr_option(
    "Let backends be in a network that is closed otherwise, such as link-local; repeatable. Loopback is open."
)
@access_log_option
def up(
    path: Path,
    listen: Address,
    admin: Address,
    page: Address | Literal["none"] | None,
    namespace: str | None,
    policies: tuple[str, ...],
    workers: int | None,
    endpoints: dict[str, Service],
    allow_cidrs: tuple[str, ...],
    access_log: str,
) -> None:
    """Route real requests by the policies of a directory, on this machine.

    The same YAML as in a cluster. All policies of the namespace share one listener; the model of a request says which
    policy serves it. The files are watched: an edit is live within a second; while one is wrong, the error is shown
    with file, line and field, and what was valid last goes on serving.
    """
    to_standard_error("%(levelname)s %(name)s: %(message)s", logging.WARNING, secret=True)
    options = Options(path, namespace, frozenset(policies), endpoints, dict(os.environ))
    try:
        code = asyncio.run(_serve(Live(options, workers), listen, admin, page, allow_cidrs, access_log))
    except StartError as error:
        for problem in error.problems:
            click.echo(render.text(problem), err=True)
        raise click.ClickException(str(error) or f"{render.count(error.problems)}: nothing is served") from None
    sys.exit(code)


async def _serve(
    live: Live,
    listen: Address,
    admin: Address,
    page: Address | Literal["none"] | None,
    cidrs: tuple[str, ...],
    access_log: str,
) -> int:
    """Serve until a signal comes; gives the exit code. Raises ``StartError``."""
    workspace, config = live.load()
    feedback = Feedback(AddressRules(parse_networks((*LOOPBACK, *cidrs))))
    supervisor = Supervisor(
        SupervisorOptions(
            host=listen.host,
            port=listen.port,
            admin_host=admin.host,
            admin_port=admin.port,
            workers=live.workers,
            proxy=ProxyOptions(allow_cidrs=(*LOOPBACK, *cidrs)),
            access_log=log_target(access_log),
        ),
        [feedback.families],
    )
    signals = Signals()
    try:
        await live.start(supervisor)
    except (OSError, ConfigRejectedError) as error:
        raise StartError(str(error.strerror if isinstance(error, OSError) and error.strerror else error)) from None
    live.steer(feedback)
    try:
        shown, at = await _show(page, workspace.resources.namespace, feedback.board)
    except OSError as error:
        await supervisor.stop()
        raise StartError(error.strerror or str(error)) from None
    steering = asyncio.create_task(feedback.run(supervisor))
    reporter = _Reporter(workspace)
    reporter.begin()
    urls = _url(listen.host, supervisor.port), _url(admin.host, supervisor.admin_port)
    click.echo(first_screen(workspace, config, live.asked, *urls, at, str(live.options.path)), err=True)
    following = asyncio.create_task(live.follow(supervisor, feedback, reporter.changed))
    learning = asyncio.create_task(live.learn(supervisor, feedback, reporter.changed, reporter.say))
    stopping = asyncio.create_task(signals.asked.wait())
    await asyncio.wait({following, steering, learning, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not stopping.done():
        stopping.cancel()
        await supervisor.stop()
        next(each for each in (following, steering, learning) if each.done()).result()
    following.cancel()
    steering.cancel()
    learning.cancel()
    await asyncio.wait({learning})  # it leaves no process behind
    if shown is not None:
        await shown.cleanup()
    return await stop(supervisor, signals)


async def _show(
    page: Address | Literal["none"] | None, namespace: str, board: Board
) -> tuple[web.AppRunner | None, str]:
    """The live page, and its URL. Where nobody said a port, any will do. Raises ``OSError``."""
    if page == "none":
        return None, ""
    served = Page(lambda: {namespace: board}, Who)
    wanted = page or read_address(PAGE)
    try:
        return await serve(served, wanted.host, wanted.port, free=page is None)
    except OSError as error:
        raise refused(error, wanted.host, wanted.port, "--page") from None


class _Reporter:
    """Tells what an edit led to, and what is wrong with the files, each thing once."""

    def __init__(self, workspace: Workspace) -> None:
        self._notes = tuple(workspace.resources.source.notes)
        self._problems = tuple(workspace.problems)
        self._error = ""

    def begin(self) -> None:
        """Warnings and notes of the start."""
        self._show(self._notes, self._problems)

    @staticmethod
    def say(what: str) -> None:
        """What happens meanwhile."""
        click.echo(f"{_now()} {what}", err=True)

    def changed(self, change: Change) -> None:
        """One edit."""
        notes, problems = tuple(change.notes), tuple(change.problems)
        news = (notes, problems) != (self._notes, self._problems) or change.error != self._error
        self._notes, self._problems, self._error = notes, problems, change.error
        if not (news or change.applied):
            return
        now = _now()
        if change.error:
            click.echo(f"{now} not in force: {change.error}\n  the last good configuration goes on serving", err=True)
            return
        if news:
            self._show(notes, problems)
            if not problems:
                click.echo(f"{now} nothing is wrong any more", err=True)
        state = f"configuration {change.config_hash} is in force" if change.applied else "requests are routed as before"
        kept = f"; in their last good form: {', '.join(change.kept)}" if change.kept else ""
        click.echo(f"{now} {state}{kept}", err=True)

    @staticmethod
    def _show(notes: Sequence[str], problems: Sequence[Located]) -> None:
        for note in notes:
            click.echo(f"note: {note}", err=True)
        for problem in problems:
            click.echo(render.text(problem), err=True)


def _now() -> str:
    return datetime.now().astimezone().strftime("%H:%M:%S")


def _url(host: str, port: int) -> str:
    """How a client on this machine reaches it."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}"
