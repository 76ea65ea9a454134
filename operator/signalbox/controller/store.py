"""What the cluster holds, as far as we were told: the memory that every reconcile reads.

kopf's own index keeps an object for ever that was deleted while nobody watched; this store is swept by every list.
"""

from collections.abc import Callable

from signalbox.kube.client import Object
from signalbox.kube.resources import Resource


class Store:
    """Objects by kind, namespace and name. ``notice`` is called with the namespace of whatever changed.

    ``listed`` are the kinds and namespaces (None: all) of which everything was told once.

    An event that is older than what is known, as happens when a list and a watch overtake each other, changes nothing.
    """

    def __init__(self, notice: Callable[[str], None]) -> None:
        self._notice = notice
        self._objects: dict[tuple[Resource, str], dict[str, Object]] = {}
        self.listed: set[tuple[Resource, str | None]] = set()

    def replaced(self, resource: Resource, namespace: str | None, objects: list[Object]) -> None:
        """These are all objects of a kind in a namespace, or anywhere."""
        there = {(_namespace(obj), _name(obj)) for obj in objects}
        scope = [key for key in self._objects if key[0] == resource and namespace in (None, key[1])]
        for key in scope:
            for name in [name for name in self._objects[key] if (key[1], name) not in there]:
                self._remove(resource, key[1], name)
        for obj in objects:
            self._put(resource, obj)
        self.listed.add((resource, namespace))

    def changed(self, resource: Resource, event: str, obj: Object) -> None:
        """One object was ADDED, MODIFIED or DELETED."""
        if event == "DELETED":
            self._remove(resource, _namespace(obj), _name(obj))
        else:
            self._put(resource, obj)

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """One object."""
        return self._objects.get((resource, namespace), {}).get(name)

    def of(self, resource: Resource, namespace: str) -> list[Object]:
        """All objects of a kind in a namespace, by name."""
        found = self._objects.get((resource, namespace), {})
        return [found[name] for name in sorted(found)]

    def any(self, resource: Resource, namespace: str) -> bool:
        """Whether a namespace has any object of a kind."""
        return (resource, namespace) in self._objects

    def _put(self, resource: Resource, obj: Object) -> None:
        namespace, name = _namespace(obj), _name(obj)
        known = self._objects.setdefault((resource, namespace), {})
        before = known.get(name)
        if before is None or _uid(before) != _uid(obj) or _version(before) < _version(obj):
            known[name] = obj
            self._notice(namespace)

    def _remove(self, resource: Resource, namespace: str, name: str) -> None:
        known = self._objects.get((resource, namespace), {})
        if known.pop(name, None) is not None:
            self._notice(namespace)  # before the last object is forgotten: its namespace still counts
            if not known:
                del self._objects[resource, namespace]


def _namespace(obj: Object) -> str:
    return str(obj["metadata"].get("namespace", ""))


def _name(obj: Object) -> str:
    return str(obj["metadata"]["name"])


def _uid(obj: Object) -> str:
    return str(obj["metadata"]["uid"])


def _version(obj: Object) -> int:
    """Resource versions of one kind are decimal numbers in order (Kubernetes 1.35 says so of all its own kinds)."""
    return int(obj["metadata"]["resourceVersion"])
