"""What was learned of a namespace's lessons, as its ConfigMaps keep it."""

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress

import msgspec

from signalbox.controller.applying.apply import NameTaken, ensure, is_ours
from signalbox.controller.watching.store import Store
from signalbox.kube.client import Client
from signalbox.kube.resources import CONFIG_MAPS
from signalbox.plan.children.lessons import kept_lesson, lesson_manifest, lesson_name
from signalbox.plan.learned import Record, Standing, sound, standing_of
from signalbox.plan.lessons import Source
from signalbox.plan.memory import Memory
from signalbox.plan.outlines import PolicyOutline

Child = tuple[str, str]  # kind and name
Kept = tuple[Record | None, bytes]

_NOTHING: Kept = (None, b"")


def children_of(standings: Mapping[str, Iterable[Standing]]) -> set[Child]:
    """The objects that there are to be."""
    return {(CONFIG_MAPS.kind, lesson_name(name, one.lesson.key)) for name, each in standings.items() for one in each}


class KeptLessons:
    """``children`` holds the ConfigMaps. Each is read once; a namespace without lessons takes no memory."""

    def __init__(self, client: Client, children: Store) -> None:
        self._client, self._children = client, children
        self._read: dict[str, Memory[Kept]] = {}

    def standings(
        self, namespace: str, policies: Iterable[PolicyOutline], contents: Mapping[Source, str]
    ) -> dict[str, list[Standing]]:
        """By name of the policy, of those that have lessons; ``contents`` are digests of what is learned from."""
        found: dict[str, list[Standing]] = {}
        for policy in policies:
            for lesson in policy.lessons:
                kept = self._kept(namespace, lesson_name(policy.name, lesson.key))
                found.setdefault(policy.name, []).append(standing_of(lesson, contents, *kept))
        return found

    async def keep(
        self, namespace: str, policies: Mapping[str, PolicyOutline], standings: Mapping[str, Collection[Standing]]
    ) -> None:
        """What is there stays as it was written, and goes with its policy; what is not is forgotten. Raises
        ``ApiError``."""
        for name, each in standings.items():
            for one in each:
                child = lesson_name(name, one.lesson.key)
                there = self._children.version(CONFIG_MAPS, namespace, child)
                if there and not policies[name].leaving and one.record != Record():
                    with suppress(NameTaken):  # who writes it says so
                        await self.write(policies[name], one.lesson.key, one.record, one.model)
        if (read := self._read.get(namespace)) is not None:
            read.keep(name for _, name in children_of(standings))
            if not read:
                del self._read[namespace]

    def due(self, policy: PolicyOutline, before: Standing) -> bool:
        """Whether a lesson has still to be learned."""
        record, model = self._kept(policy.namespace, lesson_name(policy.name, before.lesson.key))
        return msgspec.structs.replace(before, record=sound(record, model)).due

    async def write(self, policy: PolicyOutline, key: str, record: Record, model: bytes) -> None:
        """Keep what was learned. Raises ``ApiError`` and ``NameTaken``."""
        await ensure(self._client, self._children, lesson_manifest(policy, key, record, model))

    def _kept(self, namespace: str, name: str) -> Kept:
        """An object of that name that is not ours keeps nothing."""
        version = self._children.version(CONFIG_MAPS, namespace, name)
        if not version:
            return _NOTHING
        read = self._read.setdefault(namespace, Memory())
        if (known := read.get(name, version)) is not None:
            return known
        live = self._children.get(CONFIG_MAPS, namespace, name)
        found = kept_lesson(live) if live is not None and is_ours(live) else None
        return read.put(name, version, found or _NOTHING)
