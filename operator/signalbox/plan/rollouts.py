"""Whose turn it is after an upgrade of the operator, which wants new pods for every router at once.

A few routers roll at a time, and when one does not become ready with the new release the others keep the old one: a bad
release costs one router a surge pod, and nobody's traffic. What a user changes never waits.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from signalbox.plan.children.release import OPTIONS, RELEASE

AT_ONCE = 5

Deployment = Mapping[str, Any]


def waits_for(wanted: Deployment, live: Deployment | None, all_live: Iterable[Deployment]) -> str | None:
    """Why a Deployment must not be applied yet, or None. ``all_live`` are those of all routers."""
    if not upgrades(wanted, live):
        return None
    newest = [one for one in all_live if _note(one, RELEASE) == _note(wanted, RELEASE)]
    failed = [one for one in newest if _failed(one)]
    if failed:
        metadata = failed[0]["metadata"]
        return f"router {metadata['namespace']}/{metadata['name']} does not become ready with the new release"
    if sum(not rolled_out(one) for one in newest) >= AT_ONCE:
        return f"{AT_ONCE} other routers are being rolled out"
    return None


def upgrades(wanted: Deployment, live: Deployment | None) -> bool:
    """Whether only the operator wants new pods, so that they can wait."""
    if live is None or _note(live, OPTIONS) != _note(wanted, OPTIONS):
        return False
    return _note(live, RELEASE) != _note(wanted, RELEASE)


def rolled_out(deployment: Deployment) -> bool:
    """Whether all replicas run the newest template and serve."""
    status, wanted = deployment.get("status") or {}, deployment["spec"].get("replicas", 1)
    current = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    enough = min(status.get("updatedReplicas", 0), status.get("availableReplicas", 0)) >= wanted
    return bool(current and (enough or wanted == 0) and status.get("replicas", 0) <= wanted)


def _failed(deployment: Deployment) -> bool:
    """Whether Kubernetes has given up on it: it has made no progress for ``progressDeadlineSeconds``."""
    return any(
        each.get("type") == "Progressing" and each.get("reason") == "ProgressDeadlineExceeded"
        for each in (deployment.get("status") or {}).get("conditions") or ()
    )


def _note(deployment: Deployment, key: str) -> str:
    return str((deployment["metadata"].get("annotations") or {}).get(key, ""))
