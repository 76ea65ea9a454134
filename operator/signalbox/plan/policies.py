"""RoutingPolicy in, the router's Policy out."""

import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec

from signalbox.api import RoutingPolicy
from signalbox.plan.backends import Standing
from signalbox.plan.checking.lacking import check_backends
from signalbox.plan.children.mounted import size_of
from signalbox.plan.children.names import SERVING_CERTIFICATE, SERVING_KEY
from signalbox.plan.classifier_services import service_of
from signalbox.plan.classifiers import classifier_of
from signalbox.plan.credentials import Credentials, Entry
from signalbox.plan.examples import check_sources
from signalbox.plan.lessons import classifier_key
from signalbox.plan.observed import Observed
from signalbox.plan.outlines import router_name
from signalbox.plan.problems import Problem
from signalbox.plan.routes import KIND, CompiledRoutes, Report
from signalbox.plan.strategies import completed
from signalbox.routing import config
from signalbox.routing.config import Backend

MAX_KEY: Final = 253


class PlannedPolicy(msgspec.Struct, frozen=True):
    """A compiled policy, the secret entries that it names, its share of a configuration in bytes, and the ``services``
    that its classifiers ask."""

    config: config.Policy
    entries: dict[str, Entry]
    size: int
    services: tuple[Backend, ...] = ()


def compile_policy(
    policy: RoutingPolicy,
    backends: Mapping[str, Standing],
    observed: Observed,
    compiled: CompiledRoutes,
    report: Report,
) -> PlannedPolicy:
    """Compile one policy; ``backends`` are the valid ones by name."""
    spec, name = policy.spec, policy.metadata.name
    kept = observed.kept.get(router_name(policy), frozenset())
    credentials = Credentials(KIND, name, observed, report, kept)
    routes, problems = compiled
    for problem in problems:
        report(problem)
    _serving(policy, credentials)
    _check_tiers(policy, report)
    _check_targets(policy, backends, observed, report)
    _check_spill(policy, backends, report)
    check_sources(policy, observed, report)
    routes = completed(routes, name, _qualities(policy, backends), observed.artefacts)
    for problem in check_backends(policy, routes, backends):
        report(problem)
    planned = config.Policy(
        name=name,
        models=tuple(sorted(spec.models)),
        access=_access(policy, credentials),
        targets=tuple(config.Target(name=t.name, backend=t.backend_ref.name) for t in spec.targets),
        routes=routes,
        classifiers=tuple(
            classifier_of(name, each, observed.artefacts.get(classifier_key(name, each.name), b""))
            for each in spec.classifiers or ()
        ),
        affinity=_affinity(policy),
        debug=spec.debug == "Allowed",
    )
    feedback = config.Feedback(
        mode=spec.feedback.mode,
        interval_ms=spec.feedback.interval.milliseconds,
        stale_after_ms=spec.feedback.stale_after_ms,
    )
    if feedback != planned.feedback:  # else it is not written at all
        planned = msgspec.structs.replace(planned, feedback=feedback)
    services = tuple(
        service_of(name, each, f"spec.classifiers[{index}].http", credentials, observed, report)
        for index, each in enumerate(spec.classifiers or ())
        if each.http is not None
    )
    size = size_of(planned) + sum(map(size_of, services))
    return PlannedPolicy(planned, credentials.entries, size, services)


def _qualities(policy: RoutingPolicy, backends: Mapping[str, Standing]) -> dict[str, int]:
    """By target, where its backend says it."""
    found: dict[str, int] = {}
    for target in policy.spec.targets:
        backend = backends.get(target.backend_ref.name)
        if backend is not None and backend.profile.quality is not None:
            found[target.name] = backend.profile.quality
    return found


def _affinity(policy: RoutingPolicy) -> config.Affinity | None:
    affinity = policy.spec.affinity
    if affinity is None or affinity.key == "None":
        return None
    return config.Affinity(key=affinity.key, max_overload_percent=affinity.max_overload_percent)


def _check_tiers(policy: RoutingPolicy, report: Report) -> None:
    """A tier that nobody put into an order is the last: likely a slip of the pen."""
    tiers = policy.spec.access.tiers
    for index, tenant in enumerate(policy.spec.access.tenants or ()):
        if tiers is not None and tenant.tier is not None and tenant.tier not in tiers:
            message = f'the tier "{tenant.tier}" is not in spec.access.tiers: it comes after all that are'
            fix = f"add it there, or write one of: {', '.join(tiers)}"
            problem = _problem(policy, "UnknownTier", f"spec.access.tenants[{index}].tier", message, fix)
            report(msgspec.structs.replace(problem, severity="warning", condition="Accepted"))


def _serving(policy: RoutingPolicy, credentials: Credentials) -> None:
    """The certificate that clients see: by way of the composed Secret, so that only a good one reaches a router."""
    tls = policy.spec.deployment_in_force.tls
    if tls is None or policy.spec.sidecar is not None:
        return
    path, name = "spec.router.deployment.tls.secretRef", tls.secret_ref.name
    if credentials.value(SERVING_CERTIFICATE, Entry(kind="Secret", name=name, key="tls.crt"), path):
        credentials.value(SERVING_KEY, Entry(kind="Secret", name=name, key="tls.key"), path)


def _check_spill(policy: RoutingPolicy, backends: Mapping[str, Standing], report: Report) -> None:
    """A target that may have room keeps its tier, so nothing is spilled while the load of one is not known."""
    blind = {t.name: t.backend_ref.name for t in policy.spec.targets if not _gauged(backends, t.backend_ref.name)}
    for index, route in enumerate(policy.spec.routes):
        if route.failover is None or route.failover.spill is None:
            continue
        first = [share.name for share in route.failover.tiers[0].targets if share.weight != 0 and share.name in blind]
        if first:
            message = f"never begins: how busy the target {first[0]} is cannot be known"
            fix = f"say signals.engine in ModelBackend {blind[first[0]]}, or limits.maxInFlight"
            problem = _problem(policy, "SpillNeverBegins", f"spec.routes[{index}].failover.spill", message, fix)
            report(msgspec.structs.replace(problem, severity="warning", condition="Accepted"))


def _gauged(backends: Mapping[str, Standing], name: str) -> bool:
    return name not in backends or backends[name].gauged


def _check_targets(policy: RoutingPolicy, backends: Mapping[str, Standing], observed: Observed, report: Report) -> None:
    for index, target in enumerate(policy.spec.targets):
        name = target.backend_ref.name
        if name in backends:
            continue
        path = f"spec.targets[{index}].backendRef.name"
        if name in observed.invalid_backends:
            message = f"ModelBackend {name} is not valid"
            report(_problem(policy, "BackendInvalid", path, message, "see the problems of the ModelBackend"))
        else:
            others = f", or name one of: {', '.join(sorted(backends))}" if backends else ""
            fix = f"create ModelBackend {name}{others}"
            report(_problem(policy, "BackendNotFound", path, f"ModelBackend {name} does not exist", fix))
    named = (backends.get(target.backend_ref.name) for target in policy.spec.targets)
    if not any(found is not None and found.resolved for found in named):
        message = "no target resolves: every request is answered 503"
        report(
            _problem(policy, "NoResolvedTarget", "spec.targets", message, "see the problems of targets and backends")
        )


def _access(policy: RoutingPolicy, credentials: Credentials) -> config.Access:
    access, tenants = policy.spec.access, []
    for index, tenant in enumerate(access.tenants or ()):
        keys = []
        for position, source in enumerate(tenant.keys_from):
            secret = source.secret_ref.name
            path = f"spec.access.tenants[{index}].keysFrom[{position}].secretRef.name"
            keys.append(credentials.digests(_entry(policy.metadata.name, tenant.name, secret), secret, path))
        found = tuple(sorted({key for key in keys if key is not None}))
        tenants.append(config.Tenant(name=tenant.name, tier=tenant.tier or "", keys=found))
    return config.Access(
        anonymous=access.anonymous is not None,
        tenants=tuple(sorted(tenants, key=lambda tenant: tenant.name)),
        tiers=tuple(access.tiers or ()),
    )


def _entry(policy: str, tenant: str, secret: str) -> str:
    """The name of a tenant's keys. A long one is cut: a Secret's keys have no room for it."""
    name = f"tenant.{policy}.{tenant}.{secret}"
    if len(name) <= MAX_KEY:
        return name
    return f"tenant.{policy}.{tenant}.{hashlib.sha256(secret.encode()).hexdigest()[:32]}"


def _problem(policy: RoutingPolicy, reason: str, path: str, message: str, fix: str) -> Problem:
    return Problem(
        kind=KIND,
        name=policy.metadata.name,
        reason=reason,
        path=path,
        message=message,
        fix=fix,
        condition="ResolvedRefs",
    )
