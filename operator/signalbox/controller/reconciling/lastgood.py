"""Finding the last valid form of a resource that is invalid now.

It is in the ConfigMaps of the routers that serve it. Those have a Secret of their name and owners, too: who may write
ConfigMaps only cannot make one that counts. What was found is kept for as long as the resource stays invalid,
so that a record that is changed by hand meanwhile can be put back.
"""

from typing import Any

from pydantic import ValidationError

from signalbox.api import ModelBackend, RoutingPolicy
from signalbox.controller.applying.apply import is_ours
from signalbox.controller.watching.store import Store
from signalbox.kube.client import Object
from signalbox.kube.resources import CONFIG_MAPS, POLICIES, SECRETS
from signalbox.plan.lastgood import BACKENDS_KEY, POLICIES_KEY, Record, kept

Key = tuple[str, str]  # kind and name

_KINDS: dict[str, tuple[type[RoutingPolicy | ModelBackend], str]] = {
    "RoutingPolicy": (RoutingPolicy, POLICIES_KEY),
    "ModelBackend": (ModelBackend, BACKENDS_KEY),
}


class LastGood:
    """``children`` holds the routers' ConfigMaps."""

    def __init__(self, children: Store) -> None:
        self._children = children
        self._kept: dict[str, dict[Key, tuple[RoutingPolicy | ModelBackend, Record]]] = {}

    def find(self, kind: str, obj: Object) -> tuple[Any, Record] | None:
        """The last valid form of an object, and its record; None where nobody knows one."""
        metadata = obj["metadata"]
        namespace, key = metadata["namespace"], (kind, metadata["name"])
        known = self._kept.get(namespace, {}).get(key)
        if known is not None and known[1].uid == metadata["uid"]:
            return known
        model, data_key = _KINDS[kind]
        records = [
            record
            for config_map in self._children.of(CONFIG_MAPS, namespace)
            if (owners := self._owners(config_map))
            and (kind != POLICIES.kind or metadata["uid"] in owners)
            and (record := kept(config_map, data_key).get(key[1])) is not None
            and record.uid == metadata["uid"]
            and record.generation <= metadata.get("generation", 0)
        ]
        for record in sorted(records, key=lambda record: -record.generation):
            try:
                resource = model.model_validate(
                    {key: obj[key] for key in ("apiVersion", "kind", "metadata")} | {"spec": record.spec}
                )
            except ValidationError:
                continue  # changed by hand, or of a version that wrote it otherwise
            self._kept.setdefault(namespace, {})[key] = resource, record
            return resource, record
        return None

    def _owners(self, config_map: Object) -> set[str]:
        """The uids of the policies whose router it belongs to; none where it belongs to no router."""
        metadata = config_map["metadata"]
        secret = self._children.get(SECRETS, metadata["namespace"], metadata["name"])
        if secret is None or not is_ours(secret) or not is_ours(config_map):
            return set()
        first, second = (
            {owner["uid"] for owner in each["metadata"]["ownerReferences"]} for each in (config_map, secret)
        )
        return first & second

    def keep(self, namespace: str, invalid: set[Key]) -> None:
        """Forget those that are valid again, or gone."""
        still = {key: found for key, found in self._kept.pop(namespace, {}).items() if key in invalid}
        if still:
            self._kept[namespace] = still
