"""What was learned of a namespace's lessons, as its ConfigMaps keep it."""

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress

import msgspec

from signalbox.controller.applying.apply import NameTaken, ensure, is_ours
from signalbox.controller.watching.store import Store
from signalbox.kube.client import Client
from signalbox.kube.resources import CONFIG_MAPS
from signalbox.plan.children.lessons import kept_lesson, lesson_manifest, lesson_name
from signalbox.plan.learned import Kept, Record, Standing, standing_of
from signalbox.plan.lessons import Source
from signalbox.plan.memory import Memory
from signalbox.plan.outlines import PolicyOutline

Child = tuple[str, str]  # kind and name


def children_of(standings: Mapping[str, Iterable[Standing]]) -> set[Child]:
    """The objects that there are to be."""
    return {(CONFIG_MAPS.kind, lesson_name(name, one.lesson.key)) for name, each in standings.items() for one in each}


class Namespace:
    """What is remembered of one: models that were read, and objects that were found to be as they should be."""

    def __init__(self) -> None:
        self.read: Memory[Kept] = Memory()
        self.settled: Memory[bool] = Memory()


class KeptLessons:
    """``children`` holds the ConfigMaps. Each version is read once; a namespace without lessons takes no memory."""

    def __init__(self, client: Client, children: Store) -> None:
        self._client, self._children = client, children
        self._namespaces: dict[str, Namespace] = {}

    def standings(
        self, namespace: str, policies: Iterable[PolicyOutline], contents: Mapping[Source, str]
    ) -> dict[str, list[Standing]]:
        """By name of the policy, of those that have lessons; ``contents`` are digests of what is learned from."""
        return {
            policy.name: [standing_of(one, contents, self._kept(policy, one.key)) for one in policy.lessons]
            for policy in policies
            if policy.lessons
        }

    async def keep(
        self, namespace: str, policies: Mapping[str, PolicyOutline], standings: Mapping[str, Collection[Standing]]
    ) -> None:
        """What is there stays as it was written, and goes with its policy; what is not is forgotten. Raises
        ``ApiError``."""
        known = self._namespaces.get(namespace)
        if known is None:
            return
        for name, each in standings.items():
            policy = policies[name]
            for one in each:
                child = lesson_name(name, one.lesson.key)
                version = self._children.version(CONFIG_MAPS, namespace, child)
                if not version or policy.leaving or one.record == Record():
                    continue
                if known.settled.get(child, (version, policy.uid, one.record)) is None:
                    with suppress(NameTaken):  # who writes it says so
                        await self.write(policy, one.lesson.key, one.record, one.model)
                        version = self._children.version(CONFIG_MAPS, namespace, child)
                        known.settled.put(child, (version, policy.uid, one.record), True)
        there = {child for _, child in children_of(standings)}
        known.read.keep(there)
        known.settled.keep(there)
        if not known.read:
            del self._namespaces[namespace]

    def due(self, policy: PolicyOutline, before: Standing) -> bool:
        """Whether a lesson has still to be learned."""
        return msgspec.structs.replace(before, record=self._kept(policy, before.lesson.key).record).due

    async def write(self, policy: PolicyOutline, key: str, record: Record, model: bytes) -> None:
        """Keep what was learned. Raises ``ApiError`` and ``NameTaken``."""
        await ensure(self._client, self._children, lesson_manifest(policy, key, record, model))

    def _kept(self, policy: PolicyOutline, key: str) -> Kept:
        """An object of that name that is not ours keeps nothing."""
        namespace, name = policy.namespace, lesson_name(policy.name, key)
        version = self._children.version(CONFIG_MAPS, namespace, name)
        if not version:
            return Kept()
        read = self._namespaces.setdefault(namespace, Namespace()).read
        if (known := read.get(name, version)) is not None:
            return known
        live = self._children.get(CONFIG_MAPS, namespace, name)
        return read.put(name, version, kept_lesson(live) if live is not None and is_ours(live) else Kept())
