"""What a policy would do with a request: conditions with the values they saw, the route, targets and shares. Pure."""

import hashlib
from collections.abc import Callable, Mapping, Sequence

from signalbox.local.explain_chains import chain
from signalbox.local.explain_choosing import objective, select
from signalbox.local.explained import AskedRoute, Candidate, ChainPlan, Explanation
from signalbox.local.judges import Assumption, asked
from signalbox.routing import config
from signalbox.routing.choosing.assumed import AssumedTarget
from signalbox.routing.eligibility import Requirements, shortfall
from signalbox.routing.expressions.references import read, references
from signalbox.routing.expressions.translate import translate
from signalbox.routing.expressions.values import UNKNOWN, EvaluationError, UnknownValueError
from signalbox.routing.features import Facts


def tenant_of_key(policy: config.Policy, secrets: Mapping[str, bytes], key: str) -> config.Tenant | None:
    """The tenant whose key it is."""
    digest = hashlib.sha256(key.strip().encode()).hexdigest().encode()
    for tenant in policy.access.tenants:
        if any(digest in secrets[entry].split() for entry in tenant.keys):
            return tenant
    return None


def explain(
    policy: config.Policy,
    facts: Facts,
    targets: Mapping[str, AssumedTarget],
    assumptions: Mapping[str, Assumption] | None = None,
) -> Explanation:
    """Decide as a router would that knows this of its targets; ``facts`` have the ``judges_of`` the policy."""
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
        try:
            _choose(found, chosen.strategy, facts, targets, needs)
        except UnknownValueError as awaited:
            found.awaits = awaited.classifier
        else:
            found.refusal = _refusal(found.candidates, targets, needs)
    else:
        found.awaits = facts.awaited  # a policy's last route takes what is left
    found.classifiers = asked(policy, facts.said, assumptions or {}, found.awaits)
    return found


def _choose(
    found: Explanation,
    strategy: config.Strategy,
    facts: Facts,
    targets: Mapping[str, AssumedTarget],
    needs: Requirements,
) -> None:
    """Fill in the candidates. Raises ``UnknownValueError``."""

    def describe(name: str, tier: int = 1) -> Candidate:
        backend, live = targets[name].config, targets[name]
        usable = live.healthy and bool(backend.model)
        dropped = shortfall(backend, needs) or ("" if usable else "no usable endpoint")
        return Candidate(target=name, backend=backend.name, model=backend.model, tier=tier, dropped=dropped)

    match strategy:
        case config.Select():
            found.by = strategy.by
            try:
                facts.classified.of(strategy.by)
            finally:
                found.candidates = select(strategy, facts, describe)
        case config.Objective():
            found.by = strategy.aim
            found.candidates = objective(strategy, facts, targets, describe)
        case config.Cascade() | config.BestOf() | config.Consensus():
            found.chain = chain(strategy, facts, lambda name: targets[name].config)
            if isinstance(strategy, config.Cascade) and not found.chain.note:
                found.candidates = _candidates([step.targets for step in strategy.steps], describe)
            else:
                found.candidates = _asked_at_once(found.chain, describe)
        case _:
            found.candidates = _candidates([each.targets for each in config.sets_of(strategy)], describe)


def _refusal(candidates: Sequence[Candidate], targets: Mapping[str, AssumedTarget], needs: Requirements) -> str:
    """What the router would answer by itself where nobody is left."""
    if any(candidate.share for candidate in candidates):
        return ""
    eligible = any(shortfall(targets[each.target].config, needs) is None for each in candidates)
    return "503: no target of the route is usable" if eligible else "400: no target of the route can serve it"


def _ask(policy: config.Policy, facts: Facts) -> tuple[list[AskedRoute], config.Route | None]:
    found: list[AskedRoute] = []
    chosen: config.Route | None = None
    for route in policy.routes:
        when = route.when.source.strip() if route.when else ""
        if chosen is not None:
            found.append(AskedRoute(name=route.name, when=when, result="not asked"))
            continue
        if found and found[-1].result in {"unknown", "not asked"}:
            found.append(AskedRoute(name=route.name, when=when, result="not asked"))
            continue
        if route.when is None:
            found.append(AskedRoute(name=route.name, result="always"))
            chosen = route
            continue
        entry = AskedRoute(name=route.name, when=when, result="did not hold")
        try:
            result = translate(route.when)(facts)
            entry.result = "unknown" if result is UNKNOWN else "held" if result is True else "did not hold"
        except EvaluationError as error:
            entry.result, entry.error = "error", str(error)
        entry.values = {path: read(facts, path) for path in references(route.when.tree)}
        if entry.result == "held":
            chosen = route
        found.append(entry)
    return found, chosen


def _candidates(tiers: Sequence[Sequence[config.Share]], describe: Callable[[str, int], Candidate]) -> list[Candidate]:
    """The targets of every tier; the first tier with a usable one gets all first attempts."""
    serving, found = False, list[Candidate]()
    for number, shares in enumerate(tiers, 1):
        candidates = []
        for share in shares:
            candidate = describe(share.target, number)
            candidate.dropped = candidate.dropped or ("its weight is 0" if share.weight == 0 else "")
            candidates.append(candidate)
        if not serving:
            serving = _spread(shares, candidates)
        found += candidates
    return found


def _asked_at_once(plan: ChainPlan, describe: Callable[[str, int], Candidate]) -> list[Candidate]:
    """Who answers first, all for every request, and who answers then."""
    first = plan.calls[0].step
    candidates = [describe(name, call.step) for call in plan.calls if call.purpose != "judge" for name in call.targets]
    for candidate in candidates:
        candidate.share = 100.0 if candidate.tier == first and not candidate.dropped else 0.0
    return candidates


def _spread(shares: Sequence[config.Share], candidates: Sequence[Candidate]) -> bool:
    """Divide all requests among the candidates that are left; False when none is."""
    left = [(s.weight, c) for s, c in zip(shares, candidates, strict=True) if not c.dropped]
    total = sum(weight for weight, _ in left)
    for weight, candidate in left:
        candidate.share = round(100 * weight / total, 2)
    return bool(left)
