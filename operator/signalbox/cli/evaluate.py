"""``signalbox evaluate``: what policies would have done with recorded queries, and how good that would have been."""

import json
import os
import sys
import time
from collections.abc import Collection, Sequence
from pathlib import Path

import click
import msgspec

from signalbox.cli import evaluation, render
from signalbox.cli.options import filename_option, namespace_option, output_option, policies_option, tell
from signalbox.evaluation import compare
from signalbox.evaluation.lines import Line, read
from signalbox.evaluation.run import Progress, Run, run, unserved
from signalbox.local import workspace
from signalbox.local.resources import Options
from signalbox.local.source import SourceError
from signalbox.local.workspace import Workspace

QUIET_SECONDS = 2.0
TELL_SECONDS = 0.5
SHOWN = 20
"""Queries that changed, of each policy."""

EPILOG = """\b
Lines of --data (one JSON object each; only the query and what its policy needs must be there):
  {"prompt": "What is 17 * 23?", "scores": {"small": 0, "strong": 1}}
  {"messages": [...], "model": "auto", "tenant": "team-a", "labels": {"kind": "code"}, "scores": {...}}
  {"request": {...}, "answers": {"small": {"text": "391", "logprobs": [-0.1], "correct": true,
   "inputTokens": 12, "outputTokens": 3, "latencyMs": 210}}}

\b
Examples:
  signalbox evaluate -f policies/ --data past.jsonl
  signalbox evaluate -f policies/ --data past.jsonl -o json | jq '.policies[].figures.quality'
  signalbox evaluate -f policies/ --against proposed/ --data past.jsonl --all

\b
Exit codes:
  0  evaluated
  1  the policies or the lines are not valid, or no query could be evaluated
  2  wrong usage, or something cannot be read

A query that needs something that its line does not tell is not evaluable, and counted with the reason; nothing is
guessed. Load is not replayed: targets are idle and healthy. docs/evaluate.md has a worked example.
"""


@click.command(epilog=EPILOG)
@filename_option
@click.option(
    "--data", type=click.Path(path_type=Path), required=True, metavar="FILE.jsonl", help="Recorded or labelled queries."
)
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Compare with the policies of this directory: what would change.",
)
@click.option("--all", "everything", is_flag=True, help=f"Show all queries that change, not the first {SHOWN}.")
@namespace_option("Namespace.")
@policies_option("Evaluate this policy only; repeatable.")
@output_option
def evaluate(
    path: Path,
    data: Path,
    against: Path | None,
    everything: bool,
    namespace: str | None,
    policies: tuple[str, ...],
    output: str,
) -> None:
    """Replay recorded queries through policies, offline: quality, cost, latency and shares, with 95 % intervals.

    Routes, classifiers and strategies decide by the code of the router; shares are those expected of many requests.
    Nothing is sent anywhere.
    """
    lines = _lines(data)
    runs = _runs(path, "-f", lines, namespace, policies)
    reports = [each.report() for each in runs]
    other = _runs(against, "--against", lines, namespace, policies) if against is not None else []
    found = evaluation.Evaluation(
        queries=len(lines),
        policies=reports,
        unserved=unserved(runs, lines),
    )
    if against is not None:
        paired, alone = compare.pairs(runs, other)
        if not paired:
            raise click.ClickException(f"no policy is in both directories: {', '.join(alone)}")
        found = msgspec.structs.replace(
            found,
            against=[each.report() for each in other],
            comparisons=[compare.compare(one, another) for one, another in paired],
            unpaired=alone,
        )
    if output == "json":
        click.echo(json.dumps(msgspec.to_builtins(found), indent=2, ensure_ascii=False))
    else:
        click.echo(evaluation.screen(found, None if everything else SHOWN))
    sys.exit(0 if any(each.figures.queries for each in reports) else 1)


def _lines(path: Path) -> list[Line]:
    try:
        return read(path.read_bytes(), str(path))
    except OSError as error:
        raise click.UsageError(f"--data {path}: {error.strerror}") from None
    except ValueError as error:
        for line in str(error).splitlines():
            click.echo(line, err=True)
        raise SystemExit(1) from None


def _runs(
    path: Path, option: str, lines: Sequence[Line], namespace: str | None, policies: Collection[str]
) -> list[Run]:
    try:
        found = workspace.read(Options(path, namespace, frozenset(policies), environment=dict(os.environ)), tell)
    except SourceError as error:
        raise click.UsageError(f"{option}: {error}") from None
    served = [
        (policy, {backend.name: backend for backend in router.config.backends})
        for router in found.plan.routers
        for policy in router.config.policies
    ]
    _say_invalid(found, {policy.name for policy, _ in served})
    if not served:
        raise click.ClickException(f"{path}: there is no valid policy to evaluate")
    try:
        return run(served, lines, _progress(len(served) * len(lines)))
    except ValueError as error:
        raise click.ClickException(f"{path}: {error}") from None


def _say_invalid(found: Workspace, served: Collection[str]) -> None:
    """Problems of policies that are left out."""
    named = {*found.resources.policies, *found.resources.invalid_policies}
    if named - set(served):
        for one in found.errors:
            click.echo(render.text(one), err=True)


def _progress(total: int) -> Progress:
    """Says how far it is, to whoever waits for more than a moment."""
    began = shown = time.monotonic()

    def progress(done: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - began >= QUIET_SECONDS and now - shown >= TELL_SECONDS:
            shown = now
            click.echo(f"{done:,} of at most {total:,} replayed", err=True)

    return progress
