"""What follows from what routers report, as far as the API shows it. Pure; the operator tells what was reported."""

from collections.abc import Collection, Sequence

import msgspec

from signalbox.plan.status.conditions import Entry, Finding

# What is known from reports alone: it stays as it was said last until they are in again.
REASONS = frozenset({"WaitingForSecret", "ConfigRejected"})
SHOWN = 5


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """What all live pods of one router say together; equal as long as there is nothing new to show.

    ``configs`` are the hashes of the configurations in force, and how many pods have them. ``waiting`` are secret
    entries, ``rejected`` a reason, ``too_old`` pods that cannot read the newest format. A backend is ``reachable`` as
    long as a pod has a usable endpoint of it, and ``unreachable`` once none has had one for a while.
    """

    configs: tuple[tuple[str, int], ...] = ()
    waiting: tuple[str, ...] = ()
    rejected: str = ""
    too_old: tuple[str, ...] = ()
    reachable: frozenset[str] = frozenset()
    unreachable: frozenset[str] = frozenset()
    unauthorized: frozenset[str] = frozenset()

    @property
    def about_backends(self) -> tuple[frozenset[str], ...]:
        """All names of backends, by what is said of them."""
        return self.reachable, self.unreachable, self.unauthorized


def merged(reports: Sequence[Reported]) -> list[Reported]:
    """Several routers' in one, as far as it is about backends; none where there is none."""
    if not reports:
        return []
    sets = [frozenset[str]().union(*found) for found in zip(*(each.about_backends for each in reports), strict=True)]
    return [Reported(reachable=sets[0], unreachable=sets[1], unauthorized=sets[2])]


def of_policy(
    found: Sequence[Finding], reported: Reported | None, targets: Collection[str], before: Sequence[Entry]
) -> list[Finding]:
    """The conditions of a policy with what its router reports; ``reported`` is None while that is not known yet.

    ``targets`` are names of backends, ``before`` the conditions that stand in the status.
    """
    if reported is None:
        return [*_as_before(found, before), *_carried(before, ("Reachable",))]
    text = _trouble(reported)
    result = _troubled(found, *text) if text is not None else list(found)
    if targets and reported.unreachable >= set(targets):
        message = "no router has had a usable endpoint of any target for 30 s: see the ModelBackends"
        result.append(Finding("Reachable", False, "NoUsableEndpoint", message))
    elif reported.reachable & set(targets):
        result.append(Finding("Reachable", True, "Reachable", "a target has a usable endpoint"))
    else:
        result += _carried(before, ("Reachable",)) if reported.configs else []
    return result


def of_backend(
    found: Sequence[Finding], name: str, reports: Sequence[Reported] | None, before: Sequence[Entry]
) -> list[Finding]:
    """The conditions of a backend with what all routers of its namespace report of it, None as above."""
    if reports is None:
        return [*found, *_carried(before, ("Reachable", "Authorized"))]
    result = list(found)
    if any(name in each.reachable for each in reports):
        result.append(Finding("Reachable", True, "Reachable", "a router has a usable endpoint"))
    elif any(name in each.unreachable for each in reports):
        message = "no router has had a usable endpoint for 30 s: are the engines up, and reachable from the routers?"
        result.append(Finding("Reachable", False, "NoUsableEndpoint", message))
    else:
        result += _carried(before, ("Reachable",)) if reports else []
    if any(name in each.unauthorized for each in reports):
        message = "the backend refuses our credentials (401): check the Secret of spec.auth"
        result.append(Finding("Authorized", False, "CredentialsRefused", message))
    elif any(name in each.reachable | each.unreachable for each in reports):
        result.append(Finding("Authorized", True, "Authorized", "no router reports that credentials are refused"))
    return result


def _trouble(reported: Reported) -> tuple[str, str, str] | None:
    """Reason, message, and what goes with it: Reconciling or Stalled."""
    if reported.too_old:
        message = f"these pods run a release that cannot read the configuration: {_some(reported.too_old)}"
        return "ConfigRejected", f"{message}; fix: let them roll out", "Reconciling"
    if reported.rejected:
        return "ConfigRejected", f"the router refuses the configuration: {reported.rejected}", "Stalled"
    if reported.waiting:
        message = (
            f"the newest configuration waits until pods see new entries of their Secret: {_some(reported.waiting)}"
        )
        return "WaitingForSecret", message, "Reconciling"
    return None


def _troubled(found: Sequence[Finding], reason: str, message: str, state: str) -> list[Finding]:
    """Only where nothing worse is known already: children that could not be written, a policy that is not valid."""
    programmed = next((each for each in found if each.type == "Programmed"), None)
    accepted = any(each.type == "Accepted" and each.status for each in found)
    if programmed is None or not accepted or not (programmed.status or programmed.reason == "Rollout"):
        return list(found)
    changed = {
        "Programmed": Finding("Programmed", False, reason, message),
        "Ready": Finding("Ready", False, reason, message),
        state: Finding(state, True, reason, message),
    }
    kept = [changed.pop(each.type, each) for each in found if each.type not in {"Reconciling", "Stalled"}]
    return [*kept, *changed.values()]


def _as_before(found: Sequence[Finding], before: Sequence[Entry]) -> list[Finding]:
    old = next((entry for entry in before if entry["type"] == "Programmed"), None)
    if old is None or old.get("reason") not in REASONS:
        return list(found)
    state = "Stalled" if any(entry["type"] == "Stalled" for entry in before) else "Reconciling"
    return _troubled(found, old["reason"], old.get("message", ""), state)


def _carried(before: Sequence[Entry], types: Collection[str]) -> list[Finding]:
    return [
        Finding(entry["type"], entry["status"] == "True", entry.get("reason", ""), entry.get("message", ""))
        for entry in before
        if entry["type"] in types
    ]


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN} more"
