"""The resources of a namespace, read from the store.

Of each only the outline is remembered, until its generation changes: as models they would take most of the operator's
memory, and most of them are read once and never again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from pydantic import ValidationError

from signalbox.api import ModelBackend, RoutingPolicy
from signalbox.api.errors import field_errors
from signalbox.controller.reconciling.together import Steps
from signalbox.controller.watching.store import Kept, Store
from signalbox.kube.resources import BACKENDS, POLICIES, Resource
from signalbox.plan.lastgood import Record, record_of
from signalbox.plan.outlines import (
    BackendOutline,
    BackendSource,
    PolicyOutline,
    PolicySource,
    Source,
    outline_of_backend,
    outline_of_policy,
)
from signalbox.plan.problems import Problem, path_of

# Models that were read for their outline, and are about to be compiled.
RECENT = 1000

Key = tuple[str, str]  # kind and name
Model = RoutingPolicy | ModelBackend
ReadPolicy = Callable[[], RoutingPolicy]
ReadBackend = Callable[[], ModelBackend]


@dataclass
class Seen:
    """The resources of a namespace: those that are valid by themselves, what is wrong with the others, and of all what
    is to be remembered where they turn out to be valid, and which generation it is, by uid."""

    policies: dict[str, PolicySource] = field(default_factory=dict)
    backends: dict[str, BackendSource] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    records: dict[Key, Callable[[], Record]] = field(default_factory=dict)
    generations: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Known:
    """One generation of a resource; no outline where it is not valid by itself."""

    generation: int
    outline: PolicyOutline | BackendOutline | None
    problems: tuple[Problem, ...] = ()


_KINDS: tuple[tuple[Resource, type[Model]], ...] = ((POLICIES, RoutingPolicy), (BACKENDS, ModelBackend))


class Reader:
    """Reads resources, and checks each generation of one once: that takes long, and there are many."""

    def __init__(self, store: Store, steps: Steps) -> None:
        self._store, self._steps = store, steps
        self._known: dict[str, dict[str, Known]] = {}
        self._recent: dict[tuple[str, int], Model] = {}

    async def resources(self, namespace: str) -> Seen:
        """The resources of a namespace, as they are when this ends; other work goes on while very many are read."""
        for resource, model in _KINDS:
            for kept in list(self._store.kept(resource, namespace).values()):
                if self._known_of(namespace, kept) is None:
                    self._known.setdefault(namespace, {})[kept.uid] = self._check(model, kept)
                    await self._steps.next()
        return self._all(namespace)

    def _all(self, namespace: str) -> Seen:
        seen, now = Seen(), dict[str, Known]()
        for resource, model in _KINDS:
            for name, kept in sorted(self._store.kept(resource, namespace).items()):
                known = now[kept.uid] = self._known_of(namespace, kept) or self._check(model, kept)
                seen.problems += known.problems
                seen.generations[kept.uid] = kept.generation
                seen.records[resource.kind, name] = partial(_record, kept)
                version, outline, read = (kept.uid, kept.generation), known.outline, partial(self._read, model, kept)
                if isinstance(outline, PolicyOutline):
                    seen.policies[name] = Source(outline, version, cast("ReadPolicy", read))
                elif outline is not None:
                    seen.backends[name] = Source(outline, version, cast("ReadBackend", read))
        if now:
            self._known[namespace] = now
        else:
            self._known.pop(namespace, None)
        return seen

    def _known_of(self, namespace: str, kept: Kept) -> Known | None:
        known = self._known.get(namespace, {}).get(kept.uid)
        return known if known is not None and known.generation == kept.generation else None

    def _check(self, model: type[Model], kept: Kept) -> Known:
        """The API server has checked the schema that it knows; an object may be older than that."""
        obj = kept.object
        try:
            resource = _parse(model, obj)
        except ValidationError as error:
            problems = [
                Problem(
                    kind=model.__name__,
                    name=obj["metadata"]["name"],
                    reason="InvalidField",
                    path=path_of(one.location),
                    message=one.message,
                )
                for one in field_errors(model, error)
            ]
            return Known(kept.generation, None, tuple(problems))
        if len(self._recent) >= RECENT:
            del self._recent[next(iter(self._recent))]
        self._recent[kept.uid, kept.generation] = resource
        if isinstance(resource, RoutingPolicy):
            return Known(kept.generation, outline_of_policy(resource))
        return Known(kept.generation, outline_of_backend(resource))

    def _read(self, model: type[Model], kept: Kept) -> Model:
        return self._recent.pop((kept.uid, kept.generation), None) or _parse(model, kept.object)


def _parse(model: type[Model], obj: dict[str, Any]) -> Model:
    return model.model_validate({key: value for key, value in obj.items() if key != "status"})


def _record(kept: Kept) -> Record:
    return record_of(kept.object)
