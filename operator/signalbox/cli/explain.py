"""``signalbox explain``: where a request would go, and why, without sending anything."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from signalbox.cli import render
from signalbox.cli.explain_assume import assume_all
from signalbox.cli.explanation import screen
from signalbox.cli.options import filename_option, namespace_option, output_option, policies_option, tell
from signalbox.local import explain as decisions
from signalbox.local.judges import judges_of
from signalbox.local.resources import Options
from signalbox.local.source import SourceError
from signalbox.local.workspace import Workspace, read
from signalbox.plan.routers import PlannedRouter
from signalbox.routing.choosing.assumed import AssumedTarget
from signalbox.routing.config import Policy, Tenant
from signalbox.routing.features import Facts
from signalbox.routing.formats.anthropic_client.request import translate
from signalbox.routing.prompts import operation_of

EPILOG = """\b
Examples:
  echo '{"model": "auto", "messages": [{"role": "user", "content": "Hi"}]}' | signalbox explain -f policies/ --request -
  signalbox explain -f policies/ --request request.json --header "x-team: search" --tenant team-a
  signalbox explain -f policies/ --request request.json --assume targets.small.healthy=false
  signalbox explain -f policies/ --request request.json --assume label.kind=code
  signalbox explain -f policies/ --request request.json -o json | jq .route

\b
Exit codes:
  0  a route takes the request and a target can serve it
  1  the router would refuse it, it depends on a classifier that cannot be asked here, or the policies are not valid
  2  wrong usage, or something cannot be read
"""


def _headers(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[bytes, bytes]:
    headers: dict[bytes, bytes] = {}
    for value in values:
        name, colon, text = value.partition(":")
        if not colon or not name.strip():
            raise click.BadParameter(f"{value!r} is not NAME: VALUE")
        headers[name.strip().lower().encode()] = text.strip().encode()
    return headers


@click.command(epilog=EPILOG)
@filename_option
@click.option(
    "--request", type=click.File("rb"), required=True, metavar="FILE|-", help="The request's JSON body; - reads stdin."
)
@click.option(
    "--operation",
    type=click.Choice(["chat", "completions", "embeddings", "responses", "messages"]),
    help="Default: by the body's fields; messages is the API of Anthropic.",
)
@click.option("--model", help='Instead of the "model" in the body.')
@click.option(
    "--header",
    "headers",
    multiple=True,
    metavar="NAME: VALUE",
    callback=_headers,
    help="A header of the request; repeatable.",
)
@click.option("--key", help="The client's key; the tenant follows from it. (Processes of this machine can see it.)")
@click.option("--tenant", help="The client's tenant, instead of a key.")
@click.option(
    "--assume",
    multiple=True,
    metavar="PATH=VALUE",
    help="What a running router would know, such as targets.a.inFlight=12 (default: idle and healthy), and what a "
    "classifier would say, such as label.kind=code, score.kind=0.7 or confidence.kind=0.9; repeatable.",
)
@namespace_option("Namespace.")
@policies_option("Look at this policy only.")
@output_option
def explain(
    path: Path,
    request: Any,
    operation: str | None,
    model: str | None,
    headers: dict[bytes, bytes],
    key: str | None,
    tenant: str | None,
    assume: tuple[str, ...],
    namespace: str | None,
    policies: tuple[str, ...],
    output: str,
) -> None:
    """Show which route and target a request would take, and why.

    Every condition is shown with the values it saw; targets that cannot serve the request are named with what they
    lack, the others with their shares, what an objective expects of them, or the calls of a chain. Trained classifiers
    judge here; what others say can be assumed. Nothing is sent anywhere.
    """
    body = _body(request.read(), model)
    try:
        workspace = read(Options(path, namespace, frozenset(policies), environment=dict(os.environ)), tell)
    except SourceError as error:
        raise click.UsageError(str(error)) from None
    router, policy = _find(workspace, body["model"])
    who = _tenant(workspace, router, policy, key, tenant)
    backends = {backend.name: backend for backend in router.config.backends}
    signals = {target.name: AssumedTarget(config=backends[target.backend]) for target in policy.targets}
    assumptions = assume_all(policy, signals, assume)
    message = translate(body) if operation == "messages" else None
    facts = Facts(
        "chat" if message else operation or operation_of(body),
        message.chat if message else body,
        headers,
        who.name if who else "",
        who.tier if who else "",
        signals,
        judges_of(policy, assumptions),
    )
    facts.message = message
    found = decisions.explain(policy, facts, signals, assumptions)
    if who is None and not policy.access.anonymous:
        found.refusal = "401: the policy demands the key of a tenant (--key or --tenant); below, as if there was none"
    if output == "json":
        click.echo(json.dumps(msgspec.to_builtins(found), indent=2, ensure_ascii=False))
    else:
        click.echo(screen(found))
    sys.exit(1 if found.refusal or found.awaits else 0)


def _body(data: bytes, model: str | None) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise click.UsageError(f"--request: not JSON: {error}") from None
    if not isinstance(body, dict):
        raise click.UsageError("--request: the body must be a JSON object")
    if model is not None:
        body["model"] = model
    if not isinstance(body.get("model"), str):
        raise click.UsageError('--request: the body has no "model" (or give --model)')
    return body


def _find(workspace: Workspace, model: str) -> tuple[PlannedRouter, Policy]:
    """The policy that serves a model; shows the problems where that is not clear."""
    found = [(r, p) for r in workspace.plan.routers for p in r.config.policies if model in p.models]
    if len(found) == 1:
        return found[0]
    if found:
        names = " or ".join(f"--policy {policy.name}" for _, policy in found)
        raise click.UsageError(f'several routers serve the model "{model}": choose with {names}')
    for one in workspace.errors:
        if one.problem.condition == "Accepted":
            click.echo(render.text(one), err=True)
    models = sorted({m for r in workspace.plan.routers for p in r.config.policies for m in p.models})
    known = f"; there is {', '.join(models)}" if models else ""
    raise click.ClickException(f'no valid policy serves the model "{model}"{known}')


def _tenant(
    workspace: Workspace, router: PlannedRouter, policy: Policy, key: str | None, name: str | None
) -> Tenant | None:
    tenants = policy.access.tenants
    if key is not None and name is not None:
        raise click.UsageError("--key and --tenant exclude each other")
    if name is not None:
        found = next((tenant for tenant in tenants if tenant.name == name), None)
        if found is None:
            known = f": there is {', '.join(t.name for t in tenants)}" if tenants else ": it has none"
            raise click.UsageError(f"--tenant {name}: no tenant of policy {policy.name}{known}")
        return found
    if key is not None:
        return decisions.tenant_of_key(policy, workspace.secrets(router), key)
    return None
