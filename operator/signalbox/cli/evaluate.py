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
from signalbox.cli.options import namespace_option, output_option, policies_option, tell
from signalbox.cli.recorded import BACKENDS, Asked, record
from signalbox.evaluation import compare
from signalbox.evaluation.lines import Line, prompts_of, read
from signalbox.evaluation.report import PolicyReport
from signalbox.evaluation.run import Progress, Run, run, unserved
from signalbox.local import workspace
from signalbox.local.resources import Options
from signalbox.local.services import read_endpoints
from signalbox.local.source import SourceError
from signalbox.local.workspace import Workspace
from signalbox.routing.prompts import query

QUIET_SECONDS = 2.0
TELL_SECONDS = 0.5
MANY_LINES = 20_000
"""Whose intervals take longer than a moment."""
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
  signalbox evaluate --record http://127.0.0.1:8000/v1 --target small --model llama-8b --data prompts.jsonl
  signalbox evaluate -f policies/ --record --data prompts.jsonl --out recorded.jsonl     every target is asked
  API_KEY=sk-... signalbox evaluate --record https://api.example.com/v1 --target strong --model big --key-env API_KEY \
    --data recorded.jsonl --out recorded.jsonl

\b
Exit codes:
  0  evaluated; with --record: all answers are there
  1  the policies or the lines are not valid, or no query could be evaluated; with --record: answers are missing, run
     it again to ask for those
  2  wrong usage, or something cannot be read or written
  130  interrupted; with --record: what was answered is kept

A query that needs something that its line does not tell is not evaluable, and counted with the reason; nothing is
guessed. Load is not replayed: targets are idle and healthy. docs/evaluate.md has a worked example.
"""


@click.command(epilog=EPILOG)
@click.option(
    "-f",
    "--filename",
    "path",
    type=click.Path(path_type=Path),
    help="Directory of YAML, or one file; needed without --record URL.",
)
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
@click.option(
    "--record",
    "place",
    is_flag=False,
    flag_value=BACKENDS,
    metavar="[URL]",
    help="Ask an endpoint of OpenAI's API, or without URL all targets of -f, and write lines with their answers.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="Of --record. Default: DATA.recorded.jsonl."
)
@click.option("--target", "targets", multiple=True, metavar="NAME", help="Whose answers: with --record URL, or of -f.")
@click.option("--model", metavar="NAME", help="What an endpoint of --record URL calls the model. Default: the target.")
@click.option("--key-env", metavar="VARIABLE", help="The environment variable with the key for --record URL.")
@click.option("--samples", type=click.IntRange(1, 16), default=1, show_default=True, help="Answers of each target.")
@click.option(
    "--logprobs/--no-logprobs", default=None, help="Ask for log-probabilities. Default: where they are given."
)
@click.option("--concurrency", type=click.IntRange(1, 256), default=8, show_default=True, help="Requests at a time.")
@click.option(
    "--endpoint", "endpoints", multiple=True, metavar="BACKEND=HOST:PORT", help="Of a serviceRef; repeatable."
)
@namespace_option("Namespace.")
@policies_option("Evaluate this policy only; repeatable.")
@output_option
def evaluate(
    path: Path | None,
    data: Path,
    against: Path | None,
    everything: bool,
    place: str | None,
    out: Path | None,
    targets: tuple[str, ...],
    model: str | None,
    key_env: str | None,
    samples: int,
    logprobs: bool | None,
    concurrency: int,
    endpoints: tuple[str, ...],
    namespace: str | None,
    policies: tuple[str, ...],
    output: str,
) -> None:
    """Replay recorded queries through policies, offline: quality, cost, latency and shares, with 95 % intervals.

    Routes, classifiers and strategies decide by the code of the router; shares are those expected of many requests.
    Nothing is sent anywhere, unless --record asks for answers to replay.
    """
    lines = _lines(data)
    if place is not None:
        options = None if path is None else _options(path, namespace, policies, endpoints)
        asked = Asked(place, data, out, options, targets, model, key_env, samples, logprobs, concurrency)
        sys.exit(record(asked, lines))
    if path is None:
        raise click.UsageError("-f is missing: say which policies to evaluate")
    runs, notes = _runs(path, "-f", lines, namespace, policies)
    other: list[Run] = []
    if against is not None:
        other, more = _runs(against, "--against", lines, namespace, policies)
        notes += more
    began = time.monotonic()
    reports = [_report(each, began) for each in runs]
    found = evaluation.Evaluation(queries=len(lines), policies=reports, unserved=unserved(runs, lines), notes=notes)
    if against is not None:
        paired, alone = compare.pairs(runs, other)
        if not paired:
            raise click.ClickException(f"no policy is in both directories: {', '.join(alone)}")
        found = msgspec.structs.replace(
            found,
            against=[_report(each, began) for each in other],
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
) -> tuple[list[Run], list[str]]:
    """What came of the lines under each policy, and what is to be said of the whole directory."""
    try:
        found = workspace.read(_options(path, namespace, policies), tell)
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
        return run(served, lines, _progress(len(served) * len(lines))), _seen(found, lines)
    except ValueError as error:
        raise click.ClickException(f"{path}: {error}") from None


def _report(of: Run, began: float) -> PolicyReport:
    """Its figures; who waits for more than a moment hears of it."""
    if len(of.lines) > MANY_LINES or time.monotonic() - began >= QUIET_SECONDS:
        click.echo(f"intervals of policy {of.policy} …", err=True)
    return of.report()


def _seen(found: Workspace, lines: Sequence[Line]) -> list[str]:
    """Queries that a classifier was learned from flatter it."""
    learned = {prompt for data in found.examples.values() for prompt in prompts_of(data)}
    count = sum(query(line.operation, line.body) in learned for line in lines) if learned else 0
    if not count:
        return []
    return [f"{count:,} of the queries are among the examples that policies learn from: the figures flatter those"]


def _options(path: Path, namespace: str | None, policies: Collection[str], endpoints: Sequence[str] = ()) -> Options:
    try:
        services = read_endpoints(endpoints)
    except ValueError as error:
        raise click.UsageError(f"--endpoint: {error}") from None
    return Options(path, namespace, frozenset(policies), services, dict(os.environ))


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
