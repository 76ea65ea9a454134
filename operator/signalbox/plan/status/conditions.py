"""The conditions of a resource: what is so, why, and since when. Follows kstatus: in the normal state neither
``Reconciling`` nor ``Stalled`` is there.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from signalbox.plan.problems import Problem

MESSAGE_CHARACTERS = 4096

Entry = dict[str, Any]


class Finding(msgspec.Struct, frozen=True):
    """One aspect, before it is known since when."""

    type: str
    status: bool
    reason: str
    message: str


class Serving(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the router of a policy.

    ``programmed``: its children hold the plan; ``rolling``: not all pods do yet; ``available``: a pod serves;
    ``blocked`` says why children could not be written, as reason and message, ``waiting`` why a new release has not
    come yet. ``config_hash`` names the configuration that its ConfigMap holds. Of a
    sidecar ``replicas`` are the pods that have it, ``uninjected`` those that ask for it in vain.
    """

    programmed: bool = False
    rolling: bool = False
    available: bool = False
    blocked: tuple[str, str] | None = None
    waiting: str = ""
    replicas: int | None = None
    ready_replicas: int | None = None
    uninjected: int = 0
    config_hash: str | None = None

    @property
    def status(self) -> Entry:
        """``status.router``."""
        known = {
            "replicas": self.replicas,
            "readyReplicas": self.ready_replicas,
            "uninjected": self.uninjected or None,
            "configHash": self.config_hash,
        }
        return {name: value for name, value in known.items() if value is not None}


def of_policy(problems: Sequence[Problem], serving: Serving) -> list[Finding]:
    """The conditions of a RoutingPolicy from the problems about it and what is known of its router."""
    invalid = [p for p in problems if p.invalidates]
    missing = [p for p in problems if p.severity == "error" and not p.invalidates]
    if invalid:
        text = describe(invalid)
        programmed = _programmed(serving, "the last valid form goes on serving")
        if not serving.programmed and not serving.blocked:
            programmed = Finding("Programmed", False, "Invalid", "no valid form of it is known: see Accepted")
        return [
            Finding("Accepted", False, invalid[0].reason, text),
            programmed,
            Finding("Ready", False, "Invalid", "the policy is not valid: see Accepted"),
            Finding("Stalled", True, invalid[0].reason, text),
        ]
    resolved = not any(p.reason == "NoResolvedTarget" for p in missing)
    found = [Finding("Accepted", True, "Accepted", "the policy is valid")]
    if missing:
        found.append(Finding("ResolvedRefs", False, missing[0].reason, describe(missing)))
    else:
        found.append(Finding("ResolvedRefs", True, "ResolvedRefs", "all references resolve"))
    if not resolved:
        message = "no target resolves yet: see ResolvedRefs"
        return [
            *found,
            Finding("Programmed", False, "NoResolvedTarget", message),
            Finding("Ready", False, "NoResolvedTarget", message),
            Finding("Reconciling", True, "NoResolvedTarget", message),
        ]
    after = f"; it keeps its release for now: {serving.waiting}" if serving.waiting else ""
    programmed = _programmed(serving, f"the router has this configuration{after}")
    if serving.programmed and serving.rolling:
        programmed = Finding("Programmed", False, "Rollout", "the router is being rolled out")
    elif serving.programmed and serving.available:
        return [*found, programmed, Finding("Ready", True, "Ready", "the router serves")]
    elif serving.programmed:
        message = "no pod of the router is available"
        return [
            *found,
            programmed,
            Finding("Ready", False, "Unavailable", message),
            Finding("Reconciling", True, "Unavailable", message),
        ]
    blocked = Finding("Ready", False, programmed.reason, programmed.message)
    if serving.blocked:
        return [*found, programmed, blocked, Finding("Stalled", True, programmed.reason, programmed.message)]
    return [*found, programmed, blocked, Finding("Reconciling", True, programmed.reason, programmed.message)]


def of_backend(problems: Sequence[Problem], endpoints: int | None) -> list[Finding]:
    """The conditions of a ModelBackend; ``endpoints`` is the number of ready ones, None where it has a URL."""
    invalid = [p for p in problems if p.invalidates]
    missing = [p for p in problems if p.severity == "error" and not p.invalidates]
    if invalid:
        text = describe(invalid)
        return [
            Finding("Accepted", False, invalid[0].reason, text),
            Finding("Ready", False, "Invalid", "the backend is not valid: see Accepted"),
            Finding("Stalled", True, invalid[0].reason, text),
        ]
    found = [Finding("Accepted", True, "Accepted", "the backend is valid")]
    if missing:
        found.append(Finding("ResolvedRefs", False, missing[0].reason, describe(missing)))
        found.append(Finding("Ready", False, missing[0].reason, "not all references resolve: see ResolvedRefs"))
        return found
    found.append(Finding("ResolvedRefs", True, "ResolvedRefs", "all references resolve"))
    if endpoints == 0:
        found.append(Finding("Ready", False, "NoReadyEndpoint", "the Service has no ready endpoint"))
    else:
        found.append(Finding("Ready", True, "Ready", "requests can be sent there"))
    return found


def _programmed(serving: Serving, message: str) -> Finding:
    if serving.blocked:
        return Finding("Programmed", False, *serving.blocked)
    if serving.programmed:
        return Finding("Programmed", True, "Programmed", message)
    return Finding("Programmed", False, "Pending", "the router's objects are being written")


def describe(problems: Iterable[Problem]) -> str:
    """Problems as sentences: where, what, and the fix."""
    sentences = []
    for problem in problems:
        where = f"{problem.path}: " if problem.path else ""
        position = f" (line {problem.line}, column {problem.column})" if problem.line else ""
        fix = f"; fix: {problem.fix}" if problem.fix else ""
        sentences.append(f"{where}{problem.message}{position}{fix}")
    text = "\n".join(sentences)
    return text if len(text) <= MESSAGE_CHARACTERS else text[: MESSAGE_CHARACTERS - 1] + "…"


def dated(findings: Iterable[Finding], before: Sequence[Entry], generation: int, now: datetime) -> list[Entry]:
    """As the API has them. The time of a transition moves only when a status flips."""
    since = {entry["type"]: (entry["status"], entry["lastTransitionTime"]) for entry in before}
    entries = []
    for finding in findings:
        status = "True" if finding.status else "False"
        old = since.get(finding.type)
        time = old[1] if old is not None and old[0] == status else now.strftime("%Y-%m-%dT%H:%M:%SZ")
        entries.append(
            {
                "type": finding.type,
                "status": status,
                "observedGeneration": generation,
                "lastTransitionTime": time,
                "reason": finding.reason,
                "message": finding.message,
            }
        )
    return entries
