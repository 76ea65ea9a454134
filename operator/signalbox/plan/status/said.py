"""What the feedback loop says of a namespace, as far as statuses show it. Pure; whoever runs the loop hands it on."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

import msgspec

from signalbox.feedback.backends import Load
from signalbox.feedback.law import Outcome
from signalbox.feedback.plan import INTERVAL, Backend, Plan
from signalbox.plan.status.conditions import Entry
from signalbox.plan.status.loads import load_entry, load_moved
from signalbox.plan.status.weights import route_entries, routes_moved, routes_turned

Dated = Callable[[float | None], str | None]
What = TypeVar("What")

# A sample that is late by one interval or two is no news.
PATIENCE_INTERVALS = 3

CLASSES = {
    "AddressRefused": "Unreachable",
    "ConnectionFailed": "Unreachable",
    "ConnectionLost": "Unreachable",
    "InvalidCA": "Unreachable",
    "InvalidURL": "Unreachable",
    "MissingCA": "Unreachable",
    "ResolutionFailed": "Unreachable",
    "TLSFailed": "Unreachable",
    "TimedOut": "Unreachable",
    "Status401": "Unauthorized",
    "Status403": "Unauthorized",
    "TooLarge": "TooLarge",
    "NoSelector": "MissingSeries",
    "NoSeries": "MissingSeries",
}
"""Reasons of a condition by what the scraper met; anything else that was answered is not metrics."""
NOT_METRICS, STALE, MISSING_SERIES = "NotMetrics", "Stale", "MissingSeries"


class BackendSaid(msgspec.Struct, frozen=True, kw_only=True):
    """A backend. ``silent`` of its ``endpoints`` have given no sample for too long, for these ``reasons``, the most
    frequent first; those that are ``new`` none yet. ``load`` is ``status.load``."""

    measured: bool = False
    endpoints: int = 0
    silent: int = 0
    new: int = 0
    reasons: tuple[str, ...] = ()
    load: Entry | None = None

    @property
    def fresh(self) -> bool | None:
        """Whether all that should say something do; None where there is nobody to ask, or it is too early to tell."""
        if not self.measured or not self.endpoints or (self.new and not self.silent):
            return None
        return self.silent == 0


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """Of one namespace: backends by name, and ``status.routes`` of each policy whose weights are computed."""

    backends: dict[str, BackendSaid] = {}
    routes: dict[str, list[Entry]] = {}


def said(
    plan: Plan,
    outcome: Outcome,
    problems: Callable[[str], Mapping[str, str]],
    now: float,
    calendar: Callable[[float], datetime],
) -> Said | None:
    """What one step of the loop comes to; None while it has not found its weights yet. ``problems`` tells of a backend,
    by endpoint, why the last look at it failed; ``now`` is of the clock of the samples, and ``calendar`` says what it
    is in UTC."""
    if any(each.mode != "Disabled" and key not in outcome.weights for key, each in plan.sets.items()):
        return None

    dates: dict[int, str] = {}  # samples of very many endpoints are of few seconds

    def dated(at: float | None) -> str | None:
        if at is None:
            return None
        second = int(at)
        if second not in dates:
            dates[second] = calendar(second).strftime("%Y-%m-%dT%H:%M:%SZ")
        return dates[second]

    patience = _patience(plan)
    backends = {
        name: _backend(backend, outcome, problems(name) if backend.measured else {}, now - patience[name], dated)
        for name, backend in plan.backends.items()
    }
    return Said(backends=backends, routes=route_entries(plan, outcome, dated))


def shared(before: Said | None, after: Said) -> Said:
    """The same as ``after``, made of what ``before`` was made of as far as that is equal: several remember it for long,
    and very many backends and routes do not change."""
    if before is None:
        return after

    def kept(old: Mapping[str, What], new: Mapping[str, What]) -> dict[str, What]:
        return {name: old[name] if old.get(name) == each else each for name, each in new.items()}

    return Said(backends=kept(before.backends, after.backends), routes=kept(before.routes, after.routes))


def news(before: Said | None, after: Said) -> bool:
    """Whether a status may have to be written; ``before`` is what was handed on last."""
    if before is None or pressing(before, after):
        return True
    return any(load_moved(before.backends[name].load, one.load) for name, one in after.backends.items()) or any(
        routes_moved(before.routes[name], routes) for name, routes in after.routes.items()
    )


def pressing(before: Said, after: Said) -> bool:
    """Whether it is more than figures that have moved."""
    if before.backends.keys() != after.backends.keys() or before.routes.keys() != after.routes.keys():
        return True
    for name, one in after.backends.items():
        other = before.backends[name]
        if (one.measured, one.fresh, one.reasons) != (other.measured, other.fresh, other.reasons):
            return True
    return any(routes_turned(before.routes[name], routes) for name, routes in after.routes.items())


def _backend(
    backend: Backend, outcome: Outcome, problems: Mapping[str, str], since: float, dated: Dated
) -> BackendSaid:
    load: Load | None = outcome.loads.get(backend.name)
    entry = load_entry(load, dated) if load is not None else None
    if not backend.measured:
        return BackendSaid(load=entry)
    state = outcome.state.backends.get(backend.name)
    silent: Counter[str] = Counter()
    new = 0
    for key in backend.endpoints:
        endpoint = state.endpoints.get(key) if state is not None else None
        reading = endpoint.reading if endpoint is not None else None
        heard = reading.at if reading is not None else None
        if heard is None and (endpoint is None or endpoint.first_at >= since):
            new += 1
        elif heard is None or heard < since:
            problem = problems.get(key)
            silent[CLASSES.get(problem, NOT_METRICS) if problem else STALE] += 1
        elif reading is not None and reading.running is None:
            silent[MISSING_SERIES] += 1
    return BackendSaid(
        measured=True,
        endpoints=len(backend.endpoints),
        silent=silent.total(),
        new=new,
        reasons=tuple(reason for reason, _ in sorted(silent.items(), key=lambda item: (-item[1], item[0]))),
        load=entry,
    )


def _patience(plan: Plan) -> dict[str, float]:
    """By backend: for how long an endpoint may say nothing."""
    found = dict.fromkeys(plan.backends, 0.0)
    for each in plan.sets.values():
        for share in each.shares:
            patience = max(PATIENCE_INTERVALS * each.interval, each.stale_after)
            found[share.backend] = max(found.get(share.backend, 0.0), patience)
    return {name: value or PATIENCE_INTERVALS * INTERVAL for name, value in found.items()}
