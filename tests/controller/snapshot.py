"""A namespace as it is to be compared with another one: without what differs by nature (names, uids, versions, times).

What Kubernetes' own controllers say in status is left out too: they take their time, and it is not ours.
"""

import base64
import gzip
import json
import re
from typing import Any

from world import API, CHILDREN

from cluster.api import Api, Object

OURS = ((API, "RoutingPolicy"), (API, "ModelBackend"))
OTHERS = {"kube-controller-manager"}
TIMES = {"lastTransitionTime", "time", "creationTimestamp"}
FIGURES, SIGNALS = {"load", "routes"}, "SignalsFresh"
BY_NATURE = {"uid", "resourceVersion", "clusterIP", "clusterIPs", *TIMES}
UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")  # owners are named by it, in managed fields too

Snapshot = dict[str, Any]


def snapshot(api: Api, namespace: str) -> Snapshot:
    """Every child, policy and backend by kind and name."""
    found = {}
    for version, kind in (*CHILDREN, *OURS):
        for obj in api.list(version, kind, namespace):
            if is_child(obj) or (version, kind) in OURS:
                found[f"{kind}/{obj['metadata']['name']}"] = normal(obj, namespace, status=(version, kind) in OURS)
    return found


def is_child(obj: Object) -> bool:
    return any(owner["kind"] == "RoutingPolicy" for owner in obj["metadata"].get("ownerReferences") or ())


def normal(obj: Object, namespace: str, *, status: bool = False) -> Any:
    obj = {key: value for key, value in obj.items() if status or key != "status"}
    if status:  # what was seen of engines comes when it comes
        obj["status"] = {key: value for key, value in obj.get("status", {}).items() if key not in FIGURES}
        known = obj["status"].get("conditions", [])
        obj["status"]["conditions"] = [each for each in known if each["type"] != SIGNALS]
    if packed := obj.get("binaryData"):  # in which owners are named, too
        obj["binaryData"] = {name: gzip.decompress(base64.b64decode(value)).decode() for name, value in packed.items()}
    managers = obj["metadata"].get("managedFields") or ()
    ours = [entry for entry in managers if entry["manager"] not in OTHERS]
    for entry in ours:
        fields = entry.get("fieldsV1", {}).get("f:status", {})
        for name in FIGURES:
            fields.pop(f"f:{name}", None)
        fields.get("f:conditions", {}).pop(f'k:{{"type":"{SIGNALS}"}}', None)
    ours.sort(key=lambda entry: (entry["manager"], entry["operation"], entry.get("subresource", "")))
    text = json.dumps({**obj, "metadata": {**obj["metadata"], "managedFields": ours}})
    return _without(json.loads(UID.sub("UID", text.replace(namespace, "NAMESPACE"))))


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(item) for key, item in value.items() if key not in BY_NATURE}
    if isinstance(value, list):
        return [_without(item) for item in value]
    return value


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Where two snapshots differ, as ``path: one, other``."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [
            line
            for key in sorted(one.keys() | other.keys())
            for line in differences(one.get(key), other.get(key), f"{path}.{key}")
        ]
    return [] if one == other else [f"{path}: {one!r}, {other!r}"]
