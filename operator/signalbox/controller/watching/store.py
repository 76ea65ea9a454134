"""What the cluster holds, as far as we were told: the memory that every reconcile reads.

kopf's own index keeps an object for ever that was deleted while nobody watched; this store is swept by every list.
Lists and watches overtake each other, so what counts is the resource version, not the order of arrival.
"""

import time
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

import msgspec

from signalbox.kube.client import Object
from signalbox.kube.resources import Resource

LEVEL = 1  # 20 µs an object, and less to read it

Place = tuple[Resource, str]  # a kind in a namespace
Notice = Callable[[Resource, Object | None, Object | None], None]


@dataclass(frozen=True, slots=True)
class Kept:
    """An object encoded and compressed: as dictionaries it would take twenty times the memory. ``brief`` is what is
    asked of many objects of a kind at once."""

    version: int
    generation: int
    uid: str
    compressed: bytes
    brief: Object | None

    @property
    def object(self) -> Object:
        """The object; a new one each time."""
        found: Object = msgspec.json.decode(zlib.decompress(self.compressed))
        return found


class Store:
    """Objects by kind, namespace and name. ``notice`` is called with the kind of whatever changed, and the object as it
    was and is, where it was and is there; ``slim`` makes what is kept of it, and ``brief`` what ``everywhere`` gives.

    News that is older than what is known changes nothing: a list that began before an object was made does not remove
    it, and one that began before an object was deleted does not bring it back.
    """

    def __init__(
        self,
        notice: Notice,
        slim: Callable[[Resource, Object], Object] | None = None,
        brief: Callable[[Resource, Object], Object | None] = lambda _resource, _obj: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._notice = notice
        self._slim = slim
        self._brief = brief
        self._clock = clock
        self._objects: dict[Place, dict[str, Kept]] = {}
        self._deleted: dict[Place, dict[str, int]] = {}
        self._listed: dict[tuple[Resource, str | None], float] = {}

    def replaced(self, resource: Resource, namespace: str | None, objects: Collection[Object], version: str) -> None:
        """These were all objects of a kind in a namespace, or anywhere, at the list's resource version."""
        there, listed = set[tuple[str, str]](), int(version)
        for obj in objects:
            there.add((_namespace(obj), _name(obj)))
            self._put(resource, obj)
        for key in self._scope(self._objects, resource, namespace):
            gone = [(name, kept) for name, kept in self._objects[key].items() if (key[1], name) not in there]
            for name, kept in gone:
                if kept.version <= listed:
                    self._forget(key, name, listed)
        for key in self._scope(self._deleted, resource, namespace):
            recent = {name: at for name, at in self._deleted[key].items() if at > listed}
            self._deleted[key] = recent
            if not recent:
                del self._deleted[key]
        self._listed[resource, namespace] = self._clock()

    def changed(self, resource: Resource, event: str, obj: Object) -> None:
        """One object was ADDED, MODIFIED or DELETED."""
        if event == "DELETED":
            self._remove(resource, obj)
        else:
            self._put(resource, obj)

    def written(self, resource: Resource, obj: Object) -> None:
        """Our own write of a status. That is no news, unless somebody has changed the spec just before."""
        before = self.get(resource, _namespace(obj), _name(obj))
        same = before is not None and before["metadata"].get("generation") == obj["metadata"].get("generation")
        self._put(resource, obj, quiet=same)

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """One object."""
        kept = self._objects.get((resource, namespace), {}).get(name)
        return kept.object if kept is not None else None

    def of(self, resource: Resource, namespace: str) -> list[Object]:
        """All objects of a kind in a namespace, by name."""
        found = self._objects.get((resource, namespace), {})
        return [found[name].object for name in sorted(found)]

    def kept(self, resource: Resource, namespace: str) -> dict[str, Kept]:
        """The same by name, as it is kept: not to be changed."""
        return self._objects.get((resource, namespace), {})

    def version(self, resource: Resource, namespace: str, name: str) -> int:
        """That of one object; 0 where it is not there."""
        kept = self._objects.get((resource, namespace), {}).get(name)
        return kept.version if kept is not None else 0

    def everywhere(self, resource: Resource) -> Iterator[Object]:
        """Of all objects of a kind, wherever they are, what is kept in brief."""
        for key, found in self._objects.items():
            if key[0] == resource:
                yield from (kept.brief for kept in found.values() if kept.brief is not None)

    def any(self, resource: Resource, namespace: str) -> bool:
        """Whether a namespace has any object of a kind."""
        return (resource, namespace) in self._objects

    def namespaces(self, resources: Iterable[Resource]) -> set[str]:
        """The namespaces that hold objects of any of these kinds."""
        wanted = set(resources)
        return {namespace for resource, namespace in self._objects if resource in wanted}

    def age(self, resource: Resource, namespace: str | None) -> float | None:
        """Seconds since a kind was listed; None before the first time: then nobody knows what is not there."""
        at = self._listed.get((resource, namespace))
        return None if at is None else self._clock() - at

    def _put(self, resource: Resource, obj: Object, *, quiet: bool = False) -> None:
        key, name = (resource, _namespace(obj)), _name(obj)
        before = self._objects.get(key, {}).get(name)
        known = self._deleted.get(key, {}).get(name, -1) if before is None else before.version
        if known < _version(obj):
            obj = self._slim(resource, obj) if self._slim is not None else obj
            compressed, brief = zlib.compress(msgspec.json.encode(obj), LEVEL), self._brief(resource, obj)
            kept = Kept(_version(obj), _generation(obj), _uid(obj), compressed, brief)
            self._objects.setdefault(key, {})[name] = kept
            if not quiet:
                self._notice(resource, before.object if before is not None else None, obj)

    def _remove(self, resource: Resource, obj: Object) -> None:
        """Also where what is known has a newer version: deleting is the last that happens to a uid."""
        key, name = (resource, _namespace(obj)), _name(obj)
        before = self._objects.get(key, {}).get(name)
        if before is None or before.uid == _uid(obj) or before.version < _version(obj):
            newest = max(_version(obj), before.version if before is not None else 0)
            self._forget(key, name, newest)

    def _forget(self, key: Place, name: str, version: int) -> None:
        self._deleted.setdefault(key, {})[name] = version
        known = self._objects.get(key, {})
        gone = known.pop(name, None)
        if gone is not None:
            self._notice(key[0], gone.object, None)  # before the last object is forgotten: its namespace still counts
            if not known:
                del self._objects[key]

    @staticmethod
    def _scope(places: Iterable[Place], resource: Resource, namespace: str | None) -> list[Place]:
        return [key for key in places if key[0] == resource and namespace in (None, key[1])]


def _namespace(obj: Object) -> str:
    return str(obj["metadata"].get("namespace", ""))


def _name(obj: Object) -> str:
    return str(obj["metadata"]["name"])


def _uid(obj: Object) -> str:
    return str(obj["metadata"]["uid"])


def _generation(obj: Object) -> int:
    return int(obj["metadata"].get("generation", 0))


def _version(obj: Object) -> int:
    """Resource versions are decimal numbers in one order (Kubernetes 1.35 says so of all its own kinds)."""
    return int(obj["metadata"]["resourceVersion"])
