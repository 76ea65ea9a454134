"""A directory's policies and backends as a scenario, and what a simulation of it says."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, TypeVar

import msgspec

from signalbox.feedback.plan import Backend as Known
from signalbox.plan.compile import Plan
from signalbox.plan.feedback import feedback_plan
from signalbox.routing import config
from signalbox.simulation import scenario as model
from signalbox.simulation.engines import Machine
from signalbox.simulation.picture import Line, Panel, Span, draw
from signalbox.simulation.records import Records
from signalbox.simulation.scenario import Change, Scenario
from signalbox.simulation.scenarios import FIRST, LAST, chatting
from signalbox.simulation.schedulers import Scheduler

Story = Literal["steady", "slow", "dead", "bursts", "day", "unknown", "chats"]
STORIES: Mapping[Story, str] = {
    "steady": "the same load all the time",
    "slow": "one backend is 4 times slower for half of the time",
    "dead": "one backend is down for half of the time",
    "bursts": "ten seconds of five times the mean rate, every two minutes, after 55 s first",
    "day": "the rate swings by half, twice",
    "unknown": "as steady, but nothing is declared of capacities: all is to be learned",
    "chats": "long prompts that go on where the last one ended, which engines keep: what affinity is worth",
}
NAMES: Mapping[Scheduler, str] = {"Law": "feedback", "Static": "static weights", "LeastInFlight": "least in flight"}
CONCURRENCY, PROVIDER_CONCURRENCY = 32, 64
TOKENS_PER_REQUEST = 25.0
"""Tokens/s that each request of a full batch gets where nothing is declared: usual for a large model on one GPU."""
BINS = 60
POINTS = 400
"""Of a line in the picture, about."""


T = TypeVar("T")


class NothingToSimulateError(Exception):
    """No policy has a set of targets."""


class Target(msgspec.Struct, frozen=True, rename="camel"):
    """One target of a set: weights in force at the end."""

    policy: str
    route: str
    tier: int
    target: str
    base: float
    weight: float
    reason: str


class Outcome(msgspec.Struct, frozen=True, rename="camel"):
    """Of one way to route: latencies in seconds, requests, the part of prompt tokens that engines had kept, and by
    backend how much of it was used, and its part."""

    p50: float
    p99: float
    served: int
    refused: int
    cached: float
    utilization: dict[str, float]
    shares: dict[str, float]


class Said(msgspec.Struct, frozen=True, rename="camel"):
    """All that a simulation says."""

    scenario: str
    seconds: float
    requests_per_second: float
    outcomes: dict[str, Outcome]
    weights: list[Target]
    notes: list[str]


def scenario(plan: Plan, routers: int, tokens: float, load: float) -> tuple[Scenario, list[str]]:
    """Of everything that the plan has, and what had to be assumed. Raises ``NothingToSimulateError``."""
    followed = feedback_plan(plan).plan
    notes: list[str] = []
    backends = tuple(_backend(each, notes) for each in followed.backends.values())
    policies = tuple(
        _policy(each, routers) for router in plan.routers for each in router.config.policies if each.routes
    )
    if not backends or not policies:
        raise NothingToSimulateError
    if any(len(policy.routes) > 1 for policy in policies):
        notes.append("conditions are not simulated: each route of a policy gets an equal part of its requests")
    return Scenario("steady", backends, policies, load=load, output=tokens), notes


def tell(base: Scenario, story: Story, backend: str | None, seconds: float) -> Scenario:
    """What happens in it. Without a name, it happens to the backend that can do most."""
    name = backend or max(base.backends, key=lambda each: each.rate).name
    changes: dict[Story, tuple[Change, ...]] = {
        "slow": (Change(FIRST, name, slow=4.0), Change(LAST, name, slow=1.0)),
        "dead": (Change(FIRST, name, down=True), Change(LAST, name, down=False)),
    }
    arrivals: model.Arrivals = "Bursty" if story == "bursts" else "Diurnal" if story == "day" else "Poisson"
    if story == "unknown":
        base = replace(
            base, backends=tuple(replace(each, declared=False, batch_declared=False) for each in base.backends)
        )
    elif story == "chats":
        base = chatting(base)
    told = replace(base, name=story, changes=changes.get(story, ()), arrivals=arrivals)
    return replace(told, requests=max(1, round(told.rate * seconds)))


def _backend(known: Known, notes: list[str]) -> model.Backend:
    endpoints = max(1, len(known.endpoints))
    batch = known.concurrency
    if batch is None and known.max_in_flight is not None and not known.measured:
        batch = known.max_in_flight / endpoints
    if batch is None:
        batch = CONCURRENCY if known.measured else PROVIDER_CONCURRENCY
        notes.append(f"{known.name}: capacity.concurrency is not declared; simulated as {batch}")
    rate = known.tokens_per_second
    if rate is None:
        limit = known.tokens_per_minute / 60.0 / endpoints if known.tokens_per_minute and not known.measured else None
        rate = limit or TOKENS_PER_REQUEST * batch
        notes.append(f"{known.name}: capacity.tokensPerSecond is not declared; simulated as {rate:g}")
    return model.Backend(
        name=known.name,
        model=known.model,
        machine=Machine(rate, max(1, round(batch))),
        endpoints=endpoints,
        metrics="Exact" if known.measured else "None",
        declared=known.tokens_per_second is not None,
        batch_declared=known.concurrency is not None,
        limit=known.max_in_flight,
        refuses=False,
        tokens_per_minute=known.tokens_per_minute,
        slow_start=known.slow_start,
    )


def _policy(policy: config.Policy, routers: int) -> model.Policy:
    backend_of = {target.name: target.backend for target in policy.targets}
    routes = []
    for route in policy.routes:
        strategy = route.strategy
        spill = strategy.spill if isinstance(strategy, config.Failover) else None
        routes.append(
            model.Route(
                name=route.name,
                tiers=tuple(
                    tuple(
                        model.Target(backend_of[share.target], None if tier.free else share.weight, share.target)
                        for share in tier.targets
                    )
                    for tier in config.sets_of(strategy)
                ),
                spill=(spill.from_percent / 100, spill.to_percent / 100) if spill else None,
            )
        )
    return model.Policy(
        name=policy.name,
        routes=tuple(routes),
        routers=routers,
        mode=policy.feedback.mode,
        interval=policy.feedback.interval_ms / 1000,
        stale_after=policy.feedback.stale_after_ms / 1000,
        affinity=policy.affinity.max_overload_percent if policy.affinity is not None else None,
    )


def said(told: Scenario, runs: Mapping[Scheduler, Records], notes: Sequence[str]) -> Said:
    """The figures."""
    outcomes = {
        NAMES[scheduler]: Outcome(
            p50=each.quantile(0.5),
            p99=each.quantile(0.99),
            served=len(each.latencies),
            refused=each.shed + each.failed,
            cached=each.cached,
            utilization=each.utilization(),
            shares=each.shares(),
        )
        for scheduler, each in runs.items()
    }
    last = runs["Law"].last
    weights = [
        Target(key.policy, key.route, key.tier, each.target, each.base, each.effective, each.reason)
        for key, found in sorted(last.weights.items() if last else ())
        for each in found
    ]
    return Said(told.name, told.duration, told.rate, outcomes, weights, list(notes))


def screen(found: Said) -> str:
    """For a terminal."""
    cached = any(each.cached for each in found.outcomes.values())
    lines = [
        f"{found.scenario}: {found.requests_per_second:.1f} requests/s for {found.seconds:.0f} simulated seconds",
        "",
        f"{'':<18}{'p50 s':>9}{'p99 s':>9}{'served':>10}{'refused':>9}" + (f"{'cached':>9}" if cached else ""),
    ]
    for name, each in found.outcomes.items():
        line = f"{name:<18}{each.p50:>9.2f}{each.p99:>9.2f}{each.served:>10,}{each.refused:>9,}"
        lines.append(line + (f"{100 * each.cached:>7.0f} %" if cached else ""))
    width = max(18, *(len(name) + 2 for each in found.outcomes.values() for name in each.shares))
    columns = "".join(f"{name:>18}" for name in found.outcomes)
    lines += ["", f"{'used / requests':<{width}}{columns}"]
    for backend in next(iter(found.outcomes.values())).shares:
        cells = (
            f"{100 * o.utilization[backend]:.0f} % / {100 * o.shares[backend]:.1f} %" for o in found.outcomes.values()
        )
        lines.append(f"{backend:<{width}}" + "".join(f"{cell:>18}" for cell in cells))
    if found.weights:
        names = [
            f"{w.policy}/{w.route}" + (f" tier {w.tier}" if w.tier else "") + f"  {w.target}" for w in found.weights
        ]
        width = max(map(len, names)) + 2
        lines += ["", f"{'weights at the end':<{width}}{'base':>8}{'weight':>8}  reason"]
        for name, at in zip(names, found.weights, strict=True):
            lines.append(f"{name:<{width}}{100 * at.base:>6.1f} %{100 * at.weight:>6.1f} %  {at.reason}")
    if found.notes:
        lines += ["", *(f"note: {note}" for note in found.notes)]
    return "\n".join(lines)


def picture(told: Scenario, runs: Mapping[Scheduler, Records]) -> str:
    """Weights, requests in the backends and latency over time."""
    law = runs["Law"]
    panels = []
    for key, heard in sorted(law.weights.items()):
        moments = _thinned([moment for moment in heard if moment[0] <= told.duration])
        names = list(moments[0][1]) if moments else []
        if len(names) > 1:
            title = f"Weights of {key.policy}/{key.route}" + (f", tier {key.tier}" if key.tier else "")
            lines = [Line(name, [(at, weights.get(name, 0.0)) for at, weights in moments]) for name in names]
            panels.append(Panel(title, lines, percent=True))
    looks = _thinned([look for look in law.looks if look[0] <= told.duration])
    panels.append(
        Panel(
            "Requests in each backend, with feedback",
            [Line(each.name, [(at, float(n[i])) for at, n in looks]) for i, each in enumerate(told.backends)],
        )
    )
    panels.append(
        Panel(
            "p99 latency, seconds",
            [Line(NAMES[s], each.over_time(0.99, BINS), dashed=s != "Law") for s, each in runs.items()],
        )
    )
    times = [change.at * told.duration for change in told.changes]
    spans = [Span(times[0], times[-1])] if times else []
    note = f"{told.rate:.1f} requests/s; " + STORIES.get(told.name, "")  # type: ignore[call-overload]
    return draw(f"signalbox simulate: {told.name}", note, panels, told.duration, spans)


def _thinned(line: list[T]) -> list[T]:
    return line[:: max(1, len(line) // POINTS)]
