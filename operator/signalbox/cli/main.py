"""The ``signalbox`` command: subcommands are imported only when they run, so that ``--help`` is instant."""

import gc
from importlib import import_module
from typing import Any

import click

# Name of the subcommand -> what the list says of it. The command of `NAME` is `signalbox.cli.NAME:NAME`.
SUMMARIES = {
    "up": "Route real requests by the policies of a directory, on this machine.",
    "check": "Find what is wrong in a directory of policies and backends.",
    "explain": "Show which route and target a request would take, and why.",
    "simulate": "Show what load would do to the weights of your policies.",
    "evaluate": "Replay recorded queries through your policies: quality, cost, shares.",
    "train": "Learn from examples which label a query gets.",
    "demo": "Three simulated engines, one policy, real traffic, a live picture.",
    "dashboard": "Open the live page of the operator in a cluster.",
    "operator": "Make a cluster what its resources say.",
    "router": "Route by mounted files: what the operator runs in a cluster.",
    "sim": "Run simulated model engines, faults on demand.",
}

INTERRUPTED = 130


class LazyGroup(click.Group):
    """A group that lists its commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(SUMMARIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in SUMMARIES:
            return None
        # What modules define lives for good: looking for garbage among it, again and again, is a fifth of the start.
        gc.disable()
        try:
            command = getattr(import_module(f"signalbox.cli.{cmd_name}"), cmd_name)
        finally:
            gc.enable()
        gc.freeze()
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Whoever interrupts a command gets the exit code by which shells and scripts know it."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(INTERRUPTED)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))


EPILOG = """\b
Begin with:
  signalbox demo                     see it work, in ten seconds
  signalbox check -f DIR             read your own YAML
  signalbox up -f DIR                route requests by it

Every command explains itself: signalbox COMMAND --help
"""


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="signalbox", prog_name="signalbox")
def main() -> None:
    """Route requests for language models by declared policies.

    A RoutingPolicy says which names clients may ask for, under which conditions which target serves, and how load is
    shared; a ModelBackend says where a model runs. The same YAML works here, in a directory, and in a cluster.
    """
