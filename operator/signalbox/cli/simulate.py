"""``signalbox simulate``: what load would do to the weights of a directory's policies."""

import re
import sys
import time
from pathlib import Path
from typing import cast

import click
import msgspec

from signalbox.cli import render, simulated
from signalbox.cli.options import filename_option, namespace_option, output_option, policies_option, tell
from signalbox.cli.simulated import NAMES, STORIES, NothingToSimulateError, Story
from signalbox.local.resources import Options
from signalbox.local.source import SourceError
from signalbox.local.workspace import Workspace, read
from signalbox.simulation.records import Records
from signalbox.simulation.scenario import Scenario
from signalbox.simulation.schedulers import Scheduler
from signalbox.simulation.world import World

TELL_SECONDS = 0.2

_STORIES = "\n".join(f"  {name:<9}{text}" for name, text in STORIES.items())

EPILOG = f"""\b
Scenarios:
{_STORIES}

\b
Examples:
  signalbox simulate -f policies/                                    as it is, at 80 % of what all can do
  signalbox simulate -f policies/ --scenario slow --backend llama-8b
  signalbox simulate -f policies/ --load 95 --routers 16 --duration 1h --picture none
  signalbox simulate -f policies/ --scenario unknown -o json | jq .weights

\b
Exit codes:
  0  simulated
  1  the policies are not valid, or have no targets
  2  wrong usage, or something cannot be read

Engines are simulated as batches that share a rate: r of B requests get (r/B)^0.6 of it. Declare what yours can do in
capacity.concurrency and capacity.tokensPerSecond; what is not declared is assumed, and said. Answers are as long as
--tokens on average, log-normal, and as unlike as real ones. docs/simulate.md tells how to read the result.
"""


def _seconds(_: click.Context, __: click.Parameter, value: str) -> float:
    found = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", value)
    if not value or found is None:
        raise click.BadParameter(f"{value!r} is no duration such as 90s, 20m or 1h30m")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    total = 3600 * hours + 60 * minutes + seconds
    if not 10 <= total <= 7 * 86400:
        raise click.BadParameter("must be from 10s to 168h")
    return float(total)


@click.command(epilog=EPILOG)
@filename_option
@click.option("--scenario", "story", type=click.Choice(list(STORIES)), default="steady", show_default=True)
@click.option("--backend", metavar="NAME", help="To whom it happens. Default: the backend that can do most.")
@click.option(
    "--load",
    type=click.FloatRange(1, 300),
    default=80.0,
    show_default=True,
    metavar="PERCENT",
    help="Work that arrives, of what all backends together can do.",
)
@click.option("--duration", default="20m", show_default=True, callback=_seconds, help="Simulated time.")
@click.option("--tokens", type=click.FloatRange(1), default=260.0, show_default=True, help="Mean length of an answer.")
@click.option("--routers", type=click.IntRange(1, 1000), default=2, show_default=True, help="Of each policy.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same requests.")
@click.option(
    "--picture",
    default="simulate.svg",
    show_default=True,
    metavar="FILE",
    help='Weights, queues and latency over time, as SVG; "none" for none.',
)
@namespace_option("Namespace.")
@policies_option("Simulate this policy only; repeatable.")
@output_option
def simulate(
    path: Path,
    story: str,
    backend: str | None,
    load: float,
    duration: float,
    tokens: float,
    routers: int,
    seed: int,
    picture: str,
    namespace: str | None,
    policies: tuple[str, ...],
    output: str,
) -> None:
    """Show what load would do to the weights of your policies, before production shows it.

    Your own policies and backends, the real feedback law and the real routers' draws, with simulated engines and
    requests: latency, refusals, weights and how much each backend is used, beside static weights and least requests in
    flight on the same requests. Nothing is sent anywhere; thousands of simulated seconds take seconds.
    """
    try:
        workspace = read(Options(path, namespace, frozenset(policies)), tell)
    except SourceError as error:
        raise click.UsageError(str(error)) from None
    told, notes = _scenario(workspace, cast(Story, story), backend, load / 100, duration, tokens, routers)
    runs = {scheduler: _run(told, scheduler, seed) for scheduler in NAMES}
    found = simulated.said(told, runs, notes)
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        click.echo(simulated.screen(found))
    if picture != "none":
        try:
            Path(picture).write_text(simulated.picture(told, runs), encoding="utf-8")
        except OSError as error:
            raise click.UsageError(f"--picture {picture}: {error.strerror}") from None
        click.echo(f"picture: {picture}", err=True)


def _scenario(
    workspace: Workspace, story: Story, backend: str | None, load: float, seconds: float, tokens: float, routers: int
) -> tuple[Scenario, list[str]]:
    try:
        base, notes = simulated.scenario(workspace.plan, routers, tokens, load)
    except NothingToSimulateError:
        for one in workspace.problems:
            click.echo(render.text(one), err=True)
        raise click.ClickException("there is no valid policy with targets to simulate") from None
    resources = workspace.resources
    left_out = {*resources.policies, *resources.invalid_policies} - {each.name for each in base.policies}
    notes += [
        f"policy {name} is not valid, so it is not simulated; signalbox check says why" for name in sorted(left_out)
    ]
    names = [each.name for each in base.backends]
    if backend is not None and backend not in names:
        raise click.UsageError(f"--backend {backend}: no policy uses it; there is {', '.join(names)}")
    return simulated.tell(base, story, backend, seconds), notes


def _run(told: Scenario, scheduler: Scheduler, seed: int) -> Records:
    """One run; who waits for more than a moment sees how far it is."""
    world = World(told, scheduler, seed)
    shown = time.monotonic()

    def progress(part: float) -> None:
        nonlocal shown
        if time.monotonic() - shown >= TELL_SECONDS:
            shown = time.monotonic()
            click.echo(f"\r\033[K{NAMES[scheduler]}: {100 * part:.0f} %", nl=False, err=True)

    if sys.stderr.isatty():
        world.progress = progress
    records = world.run()
    if sys.stderr.isatty():
        click.echo("\r\033[K", nl=False, err=True)
    return records
