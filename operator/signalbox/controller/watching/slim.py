"""What is remembered of an object: what is read later, and nothing else. Most objects of a cluster concern others."""

from signalbox.kube.client import Object
from signalbox.kube.resources import (
    BACKENDS,
    CONFIG_MAPS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    PODS,
    POLICIES,
    SECRETS,
    SERVICES,
    Resource,
)
from signalbox.plan.children.release import OPTIONS, RELEASE
from signalbox.plan.services import SERVICE_LABEL
from signalbox.plan.sidecars.injection import INJECT

_IDENTITY = ("name", "namespace", "uid", "resourceVersion")
_OURS = (*_IDENTITY, "generation", "creationTimestamp", "deletionTimestamp")


def slim(resource: Resource, obj: Object) -> Object:
    """An object of a user as the store keeps it."""
    metadata = obj["metadata"]
    if resource in (BACKENDS, POLICIES):
        return {**obj, "metadata": _pick(metadata, _OURS)}
    kept: Object = {"metadata": _pick(metadata, _IDENTITY)}
    if resource is SERVICES:
        spec = obj.get("spec") or {}
        kept["spec"] = {"ports": spec.get("ports") or [], **_pick(spec, ("clusterIP", "clusterIPs"))}
    elif resource is ENDPOINT_SLICES:
        label = (metadata.get("labels") or {}).get(SERVICE_LABEL, "")
        kept["metadata"]["labels"] = {SERVICE_LABEL: label}
        kept["ports"] = obj.get("ports") or []
        kept["endpoints"] = [_pick(each, ("addresses", "conditions")) for each in obj.get("endpoints") or ()]
    elif resource is PODS:
        kept["metadata"]["labels"] = {INJECT: (metadata.get("labels") or {}).get(INJECT, "")}
        containers = (obj.get("spec") or {}).get("initContainers") or ()
        kept["spec"] = {"initContainers": [_pick(each, ("name", "image", "restartPolicy")) for each in containers]}
        kept["ended"] = (obj.get("status") or {}).get("phase") in {"Succeeded", "Failed"}
    elif resource not in (SECRETS, CONFIG_MAPS):
        return obj
    return kept


def brief(resource: Resource, obj: Object) -> Object | None:
    """What a router that waits for its turn must know of all others."""
    if resource is not DEPLOYMENTS:
        return None
    metadata, status = obj["metadata"], obj.get("status") or {}
    notes = _pick(metadata.get("annotations") or {}, (RELEASE, OPTIONS))
    counts = ("observedGeneration", "replicas", "updatedReplicas", "availableReplicas")
    progress = [_pick(each, ("type", "reason")) for each in status.get("conditions") or ()]
    return {
        "metadata": _pick(metadata, ("name", "namespace", "generation")) | {"annotations": notes},
        "spec": _pick(obj["spec"], ("replicas",)),
        "status": _pick(status, counts) | {"conditions": progress},
    }


def _pick(data: Object, keys: tuple[str, ...]) -> Object:
    return {key: data[key] for key in keys if key in data}
