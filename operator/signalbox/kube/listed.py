"""What a list held."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

import msgspec

from signalbox.kube.resources import Resource

Object = dict[str, Any]


class Page(msgspec.Struct):
    """A part of a list, as the API server sends it. An empty list of metadata is null."""

    metadata: dict[str, Any]
    items: list[msgspec.Raw] | None = None


class Listed(Collection[Object]):
    """Objects of a kind, each decoded when its turn comes: as dictionaries they would take ten times the memory, and
    for an operator with very many objects that would be most of what it ever uses."""

    def __init__(self, resource: Resource, pages: Iterable[Page]) -> None:
        self._resource = resource
        self._items = [item for page in pages for item in page.items or ()]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Object]:
        for item in self._items:
            obj: Object = msgspec.json.decode(item)
            obj.setdefault("apiVersion", self._resource.api_version)  # a list says it once for all of them
            obj.setdefault("kind", self._resource.kind)
            yield obj

    def __contains__(self, obj: object) -> bool:
        return any(each == obj for each in self)
