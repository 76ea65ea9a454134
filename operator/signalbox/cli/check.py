"""``signalbox check``: what is wrong in a directory, before a cluster sees it."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from msgspec.structs import replace

from signalbox.cli import render
from signalbox.cli.options import filename_option, namespace_option, output_option, tell
from signalbox.local.learning.learned import outcome
from signalbox.local.resources import Options
from signalbox.local.source import Located, SourceError
from signalbox.local.workspace import Workspace, read
from signalbox.plan.learned import Standing, classifier_entries

_ELSEWHERE = {"ServiceNotFound", "SecretNotFound", "ConfigMapNotFound"}
_CONSEQUENCES = {"NoResolvedTarget"}

EPILOG = """\b
Examples:
  signalbox check -f policies/
  signalbox check -f policies/ -n team-a -o json | jq '.problems[].message'

\b
Exit codes:
  0  nothing wrong (there may be warnings)
  1  problems were found
  2  wrong usage, or the directory cannot be read

Services, Secrets and ConfigMaps usually live elsewhere, so it is a warning when the directory lacks one that is
referred to; --strict makes every warning count.
"""


@click.command(epilog=EPILOG)
@filename_option
@namespace_option("Namespace to check.")
@output_option
@click.option("--strict", is_flag=True, help="Warnings count as problems.")
def check(path: Path, namespace: str | None, output: str, strict: bool) -> None:
    """Find what is wrong in a directory of policies and backends.

    Every problem is shown with its file, line and field, a condition in CEL with the position in it, and how to fix
    it. Nothing is sent anywhere.
    """

    try:
        found = read(Options(path, namespace), tell)
    except SourceError as error:
        raise click.UsageError(str(error)) from None
    problems = [_lenient(one) for one in found.problems if one.problem.reason not in _CONSEQUENCES]
    failed = any(strict or one.problem.severity == "error" for one in problems)
    if output == "json":
        click.echo(json.dumps(_report(found, problems), indent=2, ensure_ascii=False))
    else:
        _print(found, problems)
    sys.exit(1 if failed else 0)


def _lenient(one: Located) -> Located:
    """What only the directory lacks is a warning: a cluster has Services and Secrets from elsewhere."""
    if one.problem.reason not in _ELSEWHERE:
        return one
    return Located(replace(one.problem, severity="warning"), one.location)


def _report(found: Workspace, problems: Sequence[Located]) -> dict[str, object]:
    resources = found.resources
    return {
        "namespace": resources.namespace,
        "policies": sorted({*resources.policies, *resources.invalid_policies}),
        "backends": sorted({*resources.backends, *resources.invalid_backends}),
        "routers": [router.config.name for router in found.plan.routers],
        "classifiers": {name: classifier_entries(each) for name, each in _standings(found).items()},
        "problems": render.json(problems),
        "notes": resources.source.notes,
    }


def _standings(found: Workspace) -> dict[str, list[Standing]]:
    """Of what was learned, by policy."""
    by_policy: dict[str, list[Standing]] = {}
    for one in found.standings:
        by_policy.setdefault(one.lesson.policy, []).append(one)
    return by_policy


def _print(found: Workspace, problems: Sequence[Located]) -> None:
    learned = [said for one in found.standings if (said := outcome(one))]
    for note in [*found.resources.source.notes, *learned]:
        click.echo(f"note: {note}", err=True)
    for one in problems:
        click.echo(render.text(one))
    resources = found.resources
    policies = len({*resources.policies, *resources.invalid_policies})
    backends = len({*resources.backends, *resources.invalid_backends})
    read = f"{_plural(policies, 'policy', 'policies')} and {_plural(backends, 'backend', 'backends')}"
    if not policies and not backends:
        click.echo(f"warning: no RoutingPolicy and no ModelBackend in namespace {resources.namespace}")
    click.echo(f"{read} in namespace {resources.namespace}: {render.count(problems) or 'nothing wrong'}")


def _plural(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
