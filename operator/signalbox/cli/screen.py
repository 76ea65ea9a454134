"""The first screen of ``signalbox up``: what listens where, what it serves, and how to ask it."""

import json
from collections.abc import Collection, Iterator, Mapping

from signalbox.local.secrets import variable
from signalbox.local.workspace import Workspace
from signalbox.plan.credentials import Entry
from signalbox.routing.config import Backend, Policy, RouterConfig


def first_screen(
    workspace: Workspace, config: RouterConfig, asked: Collection[str], url: str, admin: str, page: str, path: str
) -> str:
    """Everything that a newcomer needs, in one screen; never a secret. The engines of ``asked`` show their load;
    ``page`` is "" where it is not served."""
    lines = [
        f"Routing by {path} (namespace {workspace.resources.namespace}). An edit is live within a second.",
        "",
        f"  {url:<28} OpenAI API: base URL {url}/v1",
        f"  {admin:<28} /metrics, /readyz, /healthz",
        *([f"  {page:<28} the live page: weights, load and why"] if page else []),
        "",
    ]
    backends = {backend.name: backend for backend in config.backends}
    for policy in config.policies:
        lines += [*_policy(policy, backends), _feedback(policy, asked), ""]
    entries = {name: entry for router in workspace.plan.routers for name, entry in router.entries.items()}
    return "\n".join([*lines, *_example(workspace, config.policies[0], backends, entries, url)])


def _policy(policy: Policy, backends: dict[str, Backend]) -> Iterator[str]:
    yield f"  policy {policy.name}: models {', '.join(policy.models)}; open to {_who(policy)}"
    yield f"    routes   {' > '.join(route.name for route in policy.routes)}"
    width = max(len(target.name) for target in policy.targets)
    for target in policy.targets:
        backend = backends[target.backend]
        yield f"    target   {target.name:<{width}}  {backend.model or '?'} at {_where(backend)}"


def _feedback(policy: Policy, asked: Collection[str]) -> str:
    """Whether load moves weights, and whose it is."""
    feedback = policy.feedback
    if feedback.mode == "Disabled":
        return "    feedback Disabled: load moves no weights"
    engines = [target.name for target in policy.targets if target.backend in asked]
    source = f"the engines of {', '.join(engines)}" if engines else "what the router sees"
    does = "load moves weights" if feedback.mode == "Active" else "what load would do is shown, and not done"
    return f"    feedback {feedback.mode}: {does}, every {feedback.interval_ms / 1000:g} s by {source}"


def _who(policy: Policy) -> str:
    if policy.access.anonymous:
        return "everybody, without a key"
    return "tenants " + ", ".join(tenant.name for tenant in policy.access.tenants)


def _where(backend: Backend) -> str:
    scheme = "https" if backend.tls else "http"
    addresses = [f"[{a.host}]:{a.port}" if ":" in a.host else f"{a.host}:{a.port}" for a in backend.endpoints]
    if not addresses and backend.dns:
        addresses = [backend.authority if backend.dns.host in backend.authority else _dns(backend)]
    more = f" and {len(addresses) - 3} more" if len(addresses) > 3 else ""
    places = ", ".join(f"{scheme}://{address}{backend.base_path}" for address in addresses[:3])
    return places + more if addresses else "no endpoint"


def _dns(backend: Backend) -> str:
    return f"{backend.dns.host}:{backend.dns.port}" if backend.dns else ""


def _example(
    workspace: Workspace, policy: Policy, backends: dict[str, Backend], entries: Mapping[str, Entry], url: str
) -> Iterator[str]:
    model = policy.models[0]
    only_embeds = all(backends[t.backend].features == ("Embeddings",) for t in policy.targets)
    body: dict[str, object]
    if only_embeds:
        operation, body = "embeddings", {"model": model, "input": "Hello"}
    else:
        operation, body = "chat/completions", {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
    yield "Try:"
    yield f"  curl -i {url}/v1/{operation} -H 'Content-Type: application/json' \\"
    if not policy.access.anonymous:
        yield '    -H "Authorization: Bearer $KEY" \\'
    yield f"    -d {_quoted(json.dumps(body, ensure_ascii=False))}"
    tenant = next((t for t in policy.access.tenants if t.keys), None)
    if tenant is not None:
        secret = entries[tenant.keys[0]].name
        found = workspace.resources.source.find("Secret", secret)
        place = f"{found.location()}" if found else f"the variable {variable(secret)}…"
        yield f"  KEY is a key of tenant {tenant.name}: any value of Secret {secret} ({place})"


def _quoted(text: str) -> str:
    """For a POSIX shell, in single quotes."""
    return "'" + text.replace("'", "'\\''") + "'"
