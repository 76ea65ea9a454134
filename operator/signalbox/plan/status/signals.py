"""Whether the signals behind the weights are fresh. They are nobody's fault who reads Ready: stale signals leave it."""

import re
from collections.abc import Collection, Mapping, Sequence

from signalbox.plan.problems import Problem
from signalbox.plan.signals import PORT_NOT_FOUND
from signalbox.plan.status.conditions import Entry, Finding
from signalbox.plan.status.said import BackendSaid, Said
from signalbox.plan.status.telemetry import MOVE_PERCENT

TYPE = "SignalsFresh"
SHOWN = 5
_FIXES = {
    "Unreachable": "is spec.signals.port right, and may the operator connect to it?",
    "Unauthorized": "the metrics want credentials, and none are sent: serve them at a port without",
    "TooLarge": "an answer is larger than any engine's metrics: are spec.signals.port and path right?",
    "NotMetrics": "the answer is an error or a redirect: are spec.signals.port and path right?",
    "MissingSeries": "what is answered lacks series of this engine: are spec.signals.engine, port and path right?",
    "Stale": "the engines answer too late, or the operator has too much to do",
}
_COUNTS = re.compile(r"(\d+) of (\d+) ")


def of_backend(
    problems: Sequence[Problem], said: BackendSaid | None, declared: bool, before: Sequence[Entry]
) -> list[Finding]:
    """The condition of a backend; none where it does not declare signals, has no endpoint, or no policy uses it.
    ``said`` is None while nothing is known, ``before`` the conditions that stand in the status."""
    if not declared:
        return []
    old = next((entry for entry in before if entry["type"] == TYPE), None)
    lost = next((problem for problem in problems if problem.reason == PORT_NOT_FOUND), None)
    if lost is not None:
        return [Finding(TYPE, False, "PortNotFound", f"{lost.path}: {lost.message}; fix: {lost.fix}")]
    if said is None or (said.fresh is None and said.new):
        return [] if old is None else [_as_it_is(old)]
    if said.fresh is None:
        return []
    if said.fresh:
        return [Finding(TYPE, True, "Fresh", "every endpoint says what its load is")]
    reason = said.reasons[0]
    others = f" (others: {', '.join(said.reasons[1:])})" if said.reasons[1:] else ""
    counts = f"{said.silent} of {said.endpoints} endpoints do not say what their load is"
    found = Finding(TYPE, False, reason, f"{counts}{others}; {_FIXES[reason]}")
    return [_as_it_is(old) if old is not None and _hardly_other(old, found, said) else found]


def of_policy(
    backends: Mapping[str, str], said: Said | None, lost: Collection[str], before: Sequence[Entry]
) -> list[Finding]:
    """The condition of a policy: only targets that declare signals are judged, none where there is none. ``backends``
    are those of its targets; of the ``lost`` ones nobody knows where to ask."""
    old = next((entry for entry in before if entry["type"] == TYPE), None)
    if said is None:
        return [] if old is None else [_as_it_is(old)]
    early = any(said.backends[name].new for name in backends.values() if name in said.backends)
    judged = {target: said.backends[name].fresh for target, name in backends.items() if name in said.backends}
    judged |= {target: False for target, name in backends.items() if name in lost}
    known = {target: fresh for target, fresh in judged.items() if fresh is not None}
    stale = sorted(target for target, fresh in known.items() if not fresh)
    if early and not stale:
        return [] if old is None else [_as_it_is(old)]
    if not known:
        return []
    if not stale:
        return [Finding(TYPE, True, "Fresh", "the load of every target with signals is known")]
    names = ", ".join(stale[:SHOWN]) + (f" and {len(stale) - SHOWN} more" if len(stale) > SHOWN else "")
    message = f"not all endpoints of these targets say what their load is: {names}; see their ModelBackends"
    return [Finding(TYPE, False, "Stale", message)]


def _hardly_other(old: Entry, found: Finding, said: BackendSaid) -> bool:
    """The same trouble at nearly as many endpoints: that alone is no reason to write."""
    counts = _COUNTS.match(old.get("message", ""))
    if old["status"] != "False" or old.get("reason") != found.reason or counts is None:
        return False
    silent, endpoints = int(counts[1]), int(counts[2])
    whole = max(endpoints, said.endpoints)
    moved = max(abs(silent - said.silent), abs(endpoints - said.endpoints))
    return moved * 100 < MOVE_PERCENT * whole


def _as_it_is(old: Entry) -> Finding:
    return Finding(old["type"], old["status"] == "True", old.get("reason", ""), old.get("message", ""))
