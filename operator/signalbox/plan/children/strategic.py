"""Strategic merge patch of a pod template, as the API server does it.

Maps are merged field by field, and null takes a field away. Lists whose items have a merge key are merged item by item,
others are replaced. ``$patch: delete`` takes a map or an item away, ``$patch: replace`` puts what stands beside it in
the place of what is there. What the patch names comes first, as with ``kubectl patch``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from signalbox.plan.problems import join

MERGE_KEYS = {
    "containers": "name",
    "ephemeralContainers": "name",
    "initContainers": "name",
    "env": "name",
    "ports": "containerPort",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "volumes": "name",
    "imagePullSecrets": "name",
    "resourceClaims": "name",
    "schedulingGates": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
}
"""By the name of the list; the names mean the same wherever they stand in a pod."""

DIRECTIVE = "$patch"


class PatchError(ValueError):
    """A patch that cannot be merged; ``path`` leads to what is wrong with it."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.message = message


def merge(original: Mapping[str, Any], patch: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """The map with the patch on it; neither is changed. Raises ``PatchError``, its path below ``path``."""
    directive = _directive(patch, path)
    if directive == "delete":
        return {}
    merged = {} if directive == "replace" else dict(original)
    for name, value in patch.items():
        if name == DIRECTIVE:
            continue
        if name.startswith("$"):
            raise PatchError(join(path, name), f"is a directive that is not known here: only {DIRECTIVE} is")
        if value is None:
            merged.pop(name, None)
        else:
            found = _value(merged.get(name), value, name, join(path, name))
            merged[name] = found
    return merged


def _value(original: Any, patch: Any, name: str, path: str) -> Any:
    if name in MERGE_KEYS or isinstance(original, list):
        if not isinstance(patch, list):
            raise PatchError(path, "must be a list")
    elif isinstance(original, Mapping) and not isinstance(patch, Mapping):
        raise PatchError(path, "must be a map of fields")
    if isinstance(patch, Mapping):
        return merge(original if isinstance(original, Mapping) else {}, patch, path)
    if isinstance(patch, list):
        key = MERGE_KEYS.get(name)
        if key is None:
            return [_plain(item) for item in patch]
        return _items(original if isinstance(original, list) else [], patch, key, path)
    return patch


def _items(original: Sequence[Any], patch: Sequence[Any], key: str, path: str) -> list[Any]:
    """Items with the same key merged; those of the patch first, each after the others that stood before it."""
    there: dict[Any, Any] = {item.get(key): item for item in original}
    named: dict[Any, Any] = {}
    for position, item in enumerate(patch):
        where = join(path, position)
        if not isinstance(item, Mapping):
            raise PatchError(where, "must be a map of fields")
        directive = _directive(item, where)
        if directive == "replace":  # an item that holds nothing else: it speaks of the list
            there = {}
            continue
        if item.get(key) is None:
            raise PatchError(where, f"has no {key}, which says what it is merged with: add one")
        if isinstance(item[key], bool) or not isinstance(item[key], str | int):
            raise PatchError(join(where, key), "must be a name or a number")
        if directive == "delete":
            there.pop(item[key], None)
        else:
            named[item[key]] = merge(named.get(item[key], there.get(item[key], {})), item, where)
    others = [found for found in there if found not in named]
    ranks = {item.get(key): rank for rank, item in enumerate(original)}
    order: list[Any] = []
    for each, item in named.items():
        while others and each in ranks and ranks[others[0]] < ranks[each]:
            order.append(there[others.pop(0)])
        order.append(item)
    return order + [there[each] for each in others]


def _directive(patch: Mapping[str, Any], path: str) -> str:
    found = patch.get(DIRECTIVE, "merge")
    if found not in ("merge", "replace", "delete"):
        raise PatchError(join(path, DIRECTIVE), "must be delete, replace or merge")
    return str(found)


def _plain(value: Any) -> Any:
    """A value of a list that is replaced: an empty field is none."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    return [_plain(item) for item in value] if isinstance(value, list) else value
