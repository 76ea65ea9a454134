"""Whose turn it is after an upgrade of the operator, which wants new pods for every router at once.

A few routers roll at a time, and where the first do not become ready with the new release the others keep the old one:
a bad release costs a few routers a surge pod, and nobody's traffic. What a user changes never waits, and what goes
wrong in one namespace alone may have its reason there: it stops nobody else for long.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from signalbox.plan.children.release import OPTIONS, RELEASE

AT_ONCE = 5
# So many of these places a namespace may take away from others.
SHARE = 2

Deployment = Mapping[str, Any]


class Wait(NamedTuple):
    """Why, for the owner of a router that waits, and which ``routers`` of anybody's it waits for."""

    message: str
    routers: str


def waits_for(wanted: Deployment, live: Deployment | None, all_live: Iterable[Deployment]) -> Wait | None:
    """Why a Deployment must not be applied yet, or None. ``all_live`` are those of all routers."""
    if not upgrades(wanted, live):
        return None
    newest = [one for one in all_live if _note(one, RELEASE) == _note(wanted, RELEASE)]
    failed = [one for one in newest if _failed(one)]
    done = [one for one in newest if rolled_out(one)]
    if len({_namespace(one) for one in failed}) > len(done):
        return Wait("the new release does not become ready for other routers", _names(failed))
    rolling = [one for one in newest if not _failed(one) and not rolled_out(one)]
    places = Counter(_namespace(one) for one in rolling)
    mine = places.pop(_namespace(wanted), 0)
    if mine + sum(min(theirs, SHARE) for theirs in places.values()) >= AT_ONCE:
        return Wait("other routers get the new release first", _names(rolling))
    return None


def upgrades(wanted: Deployment, live: Deployment | None) -> bool:
    """Whether only the operator wants new pods, so that they can wait."""
    if live is None or _note(live, OPTIONS) != _note(wanted, OPTIONS):
        return False
    return _note(live, RELEASE) != _note(wanted, RELEASE)


def rolled_out(deployment: Deployment) -> bool:
    """Whether all pods are of the newest template, and were available together since it was written.

    One that comes or goes later, by eviction or by a scaler, has this template, too: that is no rollout.
    """
    status, wanted = deployment.get("status") or {}, deployment["spec"].get("replicas", 1)
    current = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    only_new = status.get("replicas", 0) == status.get("updatedReplicas", 0)
    return bool(current and only_new and (_progress(deployment) == "NewReplicaSetAvailable" or wanted == 0))


def serves(deployment: Deployment) -> bool:
    """Whether there is a pod that takes requests, or nobody wants any."""
    wanted = deployment["spec"].get("replicas", 1)
    return bool((deployment.get("status") or {}).get("availableReplicas", 0) or wanted == 0)


def _failed(deployment: Deployment) -> bool:
    """Whether Kubernetes has given up on it: it has made no progress for ``progressDeadlineSeconds``."""
    return _progress(deployment) == "ProgressDeadlineExceeded"


def _progress(deployment: Deployment) -> str:
    """Kubernetes' word for how the newest template gets on."""
    conditions = (deployment.get("status") or {}).get("conditions") or ()
    return next((str(each.get("reason")) for each in conditions if each.get("type") == "Progressing"), "")


def _namespace(deployment: Deployment) -> str:
    return str(deployment["metadata"]["namespace"])


def _names(deployments: Iterable[Deployment]) -> str:
    return ", ".join(f"{_namespace(one)}/{one['metadata']['name']}" for one in deployments)


def _note(deployment: Deployment, key: str) -> str:
    return str((deployment["metadata"].get("annotations") or {}).get(key, ""))
