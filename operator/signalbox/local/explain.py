"""What a policy would do with a request: conditions with the values they saw, the route, targets and shares. Pure."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from signalbox.routing import config
from signalbox.routing.eligibility import Requirements, shortfall
from signalbox.routing.expressions.references import read, references
from signalbox.routing.expressions.translate import translate
from signalbox.routing.expressions.values import UNKNOWN, EvaluationError
from signalbox.routing.features import Facts

Result = Literal["held", "did not hold", "error", "unknown", "always", "not asked"]
Value = bool | int | float | str | None


class LiveSignals(msgspec.Struct, kw_only=True):
    """What a running router would know of a target; by default, that of one that has just started."""

    in_flight: int = 0
    ttft_ms: int | None = None
    error_rate: float = 0.0
    healthy: bool = True
    waiting: int | None = None
    utilization: float | None = None
    kv_cache_usage: float | None = None
    overloaded: bool = False


class AskedRoute(msgspec.Struct, kw_only=True, omit_defaults=True, rename="camel"):
    """A route, its condition, the values that it saw, and what came of it; ``error`` says why it has no value."""

    name: str
    result: Result
    when: str = ""
    values: dict[str, Value] = {}
    error: str = ""


class Candidate(msgspec.Struct, kw_only=True, omit_defaults=True, rename="camel"):
    """A target of the route. ``share`` is its percentage of first attempts; ``dropped`` says why it has none."""

    target: str
    backend: str
    model: str
    tier: int
    share: float = 0.0
    dropped: str = ""


class Explanation(msgspec.Struct, kw_only=True, omit_defaults=True, rename="camel"):
    """The whole decision. ``route`` empty: no route took it; ``refusal``: what the router would answer by itself;
    ``by_load``: shares are those before any load is known."""

    policy: str
    model: str
    operation: str
    tenant: str
    tier: str
    prompt_tokens: int
    output_tokens: int
    routes: list[AskedRoute]
    route: str = ""
    strategy: str = ""
    by_load: bool = False
    candidates: list[Candidate] = []
    refusal: str = ""


def operation_of(body: Mapping[str, Any]) -> str:
    """What kind of request a body is, by its fields; one with ``input`` alone counts as a Responses request."""
    if "messages" in body:
        return "chat"
    if "prompt" in body:
        return "completions"
    return "embeddings" if {"encoding_format", "dimensions"} & body.keys() else "responses"


def tenant_of_key(policy: config.Policy, secrets: Mapping[str, bytes], key: str) -> config.Tenant | None:
    """The tenant whose key it is."""
    digest = hashlib.sha256(key.strip().encode()).hexdigest().encode()
    for tenant in policy.access.tenants:
        if any(digest in secrets[entry].split() for entry in tenant.keys):
            return tenant
    return None


def explain(
    policy: config.Policy,
    backends: Mapping[str, config.Backend],
    facts: Facts,
    unusable: frozenset[str] = frozenset(),
) -> Explanation:
    """Decide as a router would. ``unusable`` are targets without an endpoint."""
    needs = Requirements(facts)
    routes, chosen = _ask(policy, facts)
    found = Explanation(
        policy=policy.name,
        model=facts.request_model,
        operation=facts.request_operation,
        tenant=facts.user_tenant,
        tier=facts.user_tier,
        prompt_tokens=needs.prompt_tokens,
        output_tokens=needs.output_tokens,
        routes=routes,
    )
    if chosen is not None:
        found.route = chosen.name
        found.strategy = config.kind_of(chosen.strategy)
        sets = config.sets_of(chosen.strategy)
        found.by_load = policy.feedback.mode == "Active" and any(each.free for each in sets)
        found.candidates = list(_candidates(policy, backends, chosen, needs, unusable))
        if not any(c.share for c in found.candidates):
            eligible = any(shortfall(_backend(policy, backends, c.target), needs) is None for c in found.candidates)
            found.refusal = (
                "503: no target of the route is usable" if eligible else "400: no target of the route can serve it"
            )
    return found


def _ask(policy: config.Policy, facts: Facts) -> tuple[list[AskedRoute], config.Route | None]:
    asked: list[AskedRoute] = []
    chosen: config.Route | None = None
    for route in policy.routes:
        when = route.when.source.strip() if route.when else ""
        if chosen is not None:
            asked.append(AskedRoute(name=route.name, when=when, result="not asked"))
            continue
        if route.when is None:
            asked.append(AskedRoute(name=route.name, result="always"))
            chosen = route
            continue
        entry = AskedRoute(name=route.name, when=when, result="did not hold")
        entry.values = {path: read(facts, path) for path in references(route.when.tree)}
        try:
            result = translate(route.when)(facts)
            entry.result = "unknown" if result is UNKNOWN else "held" if result is True else "did not hold"
        except EvaluationError as error:
            entry.result, entry.error = "error", str(error)
        if entry.result == "held":
            chosen = route
        asked.append(entry)
    return asked, chosen


def _candidates(
    policy: config.Policy,
    backends: Mapping[str, config.Backend],
    route: config.Route,
    needs: Requirements,
    unusable: frozenset[str],
) -> Iterator[Candidate]:
    """The targets of every tier; the first tier with a usable one gets all first attempts."""
    tiers = [each.targets for each in config.sets_of(route.strategy)]
    serving = False
    for number, shares in enumerate(tiers, 1):
        candidates = []
        for share in shares:
            backend = _backend(policy, backends, share.target)
            dropped = shortfall(backend, needs) or ("no usable endpoint" if share.target in unusable else "")
            dropped = dropped or ("its weight is 0" if share.weight == 0 else "")
            candidates.append(
                Candidate(target=share.target, backend=backend.name, model=backend.model, tier=number, dropped=dropped)
            )
        if not serving:
            serving = _spread(shares, candidates)
        yield from candidates


def _spread(shares: Sequence[config.Share], candidates: Sequence[Candidate]) -> bool:
    """Divide all requests among the candidates that are left; False when none is."""
    left = [(s.weight, c) for s, c in zip(shares, candidates, strict=True) if not c.dropped]
    total = sum(weight for weight, _ in left)
    for weight, candidate in left:
        candidate.share = round(100 * weight / total, 2)
    return bool(left)


def _backend(policy: config.Policy, backends: Mapping[str, config.Backend], target: str) -> config.Backend:
    return backends[next(t.backend for t in policy.targets if t.name == target)]
