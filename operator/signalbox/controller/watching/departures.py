"""Which pods have gone: of those that routers run in, nothing else is of interest."""

from collections.abc import Callable, Collection

from signalbox.kube.client import Object
from signalbox.kube.resources import Resource


class Departures:
    """``gone`` is called with the uid of each pod that is there no longer, or is no router's any more."""

    def __init__(self, gone: Callable[[str], None]) -> None:
        self._gone = gone
        self._there: dict[str | None, set[str]] = {}

    def replaced(self, resource: Resource, namespace: str | None, objects: Collection[Object], version: str) -> None:
        """These are all in a namespace, or anywhere: nobody else tells who has gone while nobody watched."""
        now = {str(obj["metadata"]["uid"]) for obj in objects}
        for place in [place for place in self._there if namespace in (None, place)]:
            for uid in self._there.pop(place) - now:
                self._gone(uid)
        for obj in objects:
            self._of(obj).add(str(obj["metadata"]["uid"]))

    def changed(self, resource: Resource, event: str, obj: Object) -> None:
        """What happened to one."""
        uid = str(obj["metadata"]["uid"])
        if event != "DELETED":
            self._of(obj).add(uid)
            return
        self._of(obj).discard(uid)
        self._gone(uid)

    def _of(self, obj: Object) -> set[str]:
        return self._there.setdefault(obj["metadata"].get("namespace"), set())
