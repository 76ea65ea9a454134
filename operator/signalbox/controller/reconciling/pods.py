"""The pods that ask for a sidecar: which have one, and which were made while the webhook was away."""

from dataclasses import dataclass

from signalbox.controller.watching.store import Store
from signalbox.kube.client import Object
from signalbox.kube.resources import PODS
from signalbox.plan.sidecars.injection import INJECT, is_injected


@dataclass(frozen=True)
class Count:
    """Pods of a policy that have not ended."""

    injected: int = 0
    missing: int = 0


class Pods:
    """``image`` is that of our routers."""

    def __init__(self, store: Store, image: str) -> None:
        self._store, self._image = store, image

    def count(self, namespace: str, policy: str) -> Count:
        """The pods whose label names a policy."""
        asking = [pod for pod in self._store.of(PODS, namespace) if _asks(pod, policy)]
        injected = sum(is_injected(pod, self._image) for pod in asking)
        return Count(injected, len(asking) - injected)


def same_pod(before: Object, after: Object) -> bool:
    """Whether a pod counts as it did."""
    if before["metadata"]["labels"] != after["metadata"]["labels"]:
        return False
    return bool(before["spec"] == after["spec"] and before["ended"] == after["ended"])


def has_ended(before: Object, after: Object | None) -> bool:
    """Whether a pod has gone, another one has its name, or all that ran in it has ended: it may stay so for days."""
    if after is None or after["metadata"]["uid"] != before["metadata"]["uid"]:
        return True
    return bool(after["ended"] and not before["ended"])


def _asks(pod: Object, policy: str) -> bool:
    return not pod["ended"] and pod["metadata"]["labels"][INJECT] == policy
