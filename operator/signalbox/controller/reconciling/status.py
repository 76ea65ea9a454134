"""Saying how it went: conditions and addresses, written where they differ and nowhere else."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from signalbox.controller.reconciling.decide import Decided
from signalbox.controller.reconciling.recorder import Recorder
from signalbox.controller.reconciling.together import in_turn
from signalbox.controller.routers.control import Control
from signalbox.controller.watching.store import Kept, Store
from signalbox.kube.client import Client, Object
from signalbox.kube.errors import ApiError
from signalbox.kube.resources import BACKENDS, POLICIES, Resource
from signalbox.plan.children import address
from signalbox.plan.learned import (
    classifier_entries,
    lessons_told,
    step_entries,
    steps_of,
    steps_told,
    with_steps,
    without_steps,
)
from signalbox.plan.memory import Memory
from signalbox.plan.problems import Problem
from signalbox.plan.routers import PlannedRouter
from signalbox.plan.signals import PORT_NOT_FOUND
from signalbox.plan.status.conditions import Finding, Serving, dated, of_backend, of_policy
from signalbox.plan.status.loads import load_moved
from signalbox.plan.status.reported import Reported, merged
from signalbox.plan.status.reported import of_backend as reported_of_backend
from signalbox.plan.status.reported import of_policy as reported_of_policy
from signalbox.plan.status.said import BackendSaid, Said
from signalbox.plan.status.signals import of_backend as signals_of_backend
from signalbox.plan.status.signals import of_policy as signals_of_policy
from signalbox.plan.status.telemetry import Telemetry
from signalbox.plan.status.transitions import transitions, uninjected
from signalbox.plan.status.weights import routes_moved, routes_turned, turns, worth_telling

MOST_CONFIGS = 16
# Writes over all namespaces. More at once only make each of them slower, those of the Lease too.
AT_ONCE = 4


@dataclass(frozen=True)
class Figure:
    """A field that is no transition. ``wait`` gives the seconds until it may be written, 0 for now, None for never
    unless it moves further; with anything else that is written it goes along. A value of None takes the field away."""

    field: str
    value: Any
    wait: Callable[[], float | None]


class StatusWriter:
    """Writes the statuses of the policies and backends of a namespace; ``now`` dates transitions, in UTC.

    ``control`` tells what routers report, where they do; ``said`` what the feedback loop says of a namespace, None
    while it says nothing.
    """

    def __init__(
        self,
        client: Client,
        store: Store,
        recorder: Recorder,
        now: Callable[[], datetime],
        control: Control | None = None,
        said: Callable[[str], Said | None] = lambda namespace: None,
    ) -> None:
        self._client, self._store, self._recorder, self._now = client, store, recorder, now
        self._control, self._said = control, said
        self._telemetry = Telemetry(time.monotonic)
        self._limit = asyncio.Semaphore(AT_ONCE)
        self._done: dict[str, Memory[bool]] = {}
        # Routes of which nothing was written: there was nothing to tell yet.
        self._seen: dict[str, dict[str, Sequence[Object]]] = {}

    def forget(self, namespace: str) -> None:
        """What is gone of a namespace."""
        there = {
            kept.uid for resource in (POLICIES, BACKENDS) for kept in self._store.kept(resource, namespace).values()
        }
        if seen := {uid: routes for uid, routes in self._seen.pop(namespace, {}).items() if uid in there}:
            self._seen[namespace] = seen
        if (done := self._done.get(namespace)) is not None:
            done.keep(there)
            if not done:
                del self._done[namespace]

    async def welcome(self, namespace: str, problems: Sequence[Problem]) -> None:
        """Of policies about which nothing was said yet: are they valid? Where there are very many of them, the objects
        of their routers take longer."""
        about = _by_name("RoutingPolicy", problems)

        def work() -> Iterator[Awaitable[float | None]]:
            for name, kept in sorted(self._store.kept(POLICIES, namespace).items()):
                if not _conditions(obj := kept.object):
                    yield self._write(POLICIES, obj, of_policy(about.get(name, ()), Serving()), {})

        await in_turn(work(), AT_ONCE)

    async def policies(
        self, namespace: str, decided: Decided, routers: Iterable[PlannedRouter], serving: Mapping[str, Serving]
    ) -> float | None:
        """``routers`` are those that serve, ``serving`` is what is known of them by name of the policy. The answer is
        the number of seconds after which a figure may be written that may not be written yet."""
        planned = {name: router for router in routers for name in router.members}
        about, done = _by_name("RoutingPolicy", decided.problems), self._done.setdefault(namespace, Memory())
        said = self._loop_of(namespace, decided)
        lost = frozenset(problem.name for problem in decided.problems if problem.reason == PORT_NOT_FOUND)

        def work() -> Iterator[Awaitable[float | None]]:
            for name, kept in self._same(POLICIES, namespace, decided):
                known, router, reported = serving.get(name, Serving()), planned.get(name), None
                if router is not None and self._control is not None:
                    reported = self._control.reported(namespace, router.config.name)
                signals = _signals(kept.object, said, lost)
                routes = None if said is None else said.routes.get(name)
                where = router and address(router, namespace)
                learned = decided.standings.get(name, ())
                lessons, steps = classifier_entries(learned), step_entries(learned)
                loop = routes, said is None
                made_from = kept.version, about.get(name), known, where, reported, signals, *loop, lessons, steps
                if done.get(kept.uid, made_from) is None:
                    figures = self._told_of(kept.object, *loop, steps)
                    yield self._policy(
                        kept, about.get(name, ()), known, router, reported, [*signals], lessons, figures, made_from
                    )

        return min((wait for wait in await in_turn(work(), AT_ONCE) if wait), default=None)

    def _loop_of(self, namespace: str, decided: Decided) -> Said | None:
        """What the loop says. Where there is no router there is none, and what was said before holds no more."""
        return self._said(namespace) if decided.plan.routers else Said()

    async def _policy(
        self,
        kept: Kept,
        problems: Sequence[Problem],
        known: Serving,
        router: PlannedRouter | None,
        reported: Reported | None,
        signals: list[Finding],
        lessons: list[Object],
        figures: Iterable[Figure],
        made_from: object,
    ) -> float | None:
        obj, status = kept.object, dict[str, Any](classifiers=lessons or None)
        found = of_policy(problems, known)
        if router is not None:
            status["addresses"] = [address(router, obj["metadata"]["namespace"])]
            if self._control is not None:
                found = reported_of_policy(found, reported, _targets(obj), _conditions(obj))
            status["router"] = {**known.status, **_configs(obj, reported)}
        wait = await self._write(POLICIES, obj, [*found, *signals], status, figures)
        if wait is None:
            self._remember(POLICIES, obj, made_from)
        return wait

    async def backends(self, namespace: str, decided: Decided) -> float | None:
        """The answer is the number of seconds after which a figure may be written that may not be written yet."""
        about, done = _by_name("ModelBackend", decided.problems), self._done.setdefault(namespace, Memory())
        found = self._control.reports(namespace) if self._control is not None else None
        reports = merged(found) if found is not None else None
        loop = self._loop_of(namespace, decided)

        def work() -> Iterator[Awaitable[float | None]]:
            for name, kept in self._same(BACKENDS, namespace, decided):
                service = decided.services.get(name)
                counts = (len(service.endpoints), service.total) if service is not None else None
                said = None if reports is None else [name in names for each in reports for names in each.about_backends]
                heard = None if loop is None else loop.backends.get(name, BackendSaid())
                made_from = kept.version, about.get(name), counts, said, heard
                if done.get(kept.uid, made_from) is None:
                    yield self._backend(kept, about.get(name, ()), counts, reports, heard, made_from)

        return min((wait for wait in await in_turn(work(), AT_ONCE) if wait), default=None)

    async def _backend(
        self,
        kept: Kept,
        problems: Sequence[Problem],
        counts: tuple[int, int] | None,
        reports: Sequence[Reported] | None,
        heard: BackendSaid | None,
        made_from: object,
    ) -> float | None:
        obj = kept.object
        findings = of_backend(problems, counts[0] if counts is not None else None)
        if self._control is not None:
            findings = reported_of_backend(findings, obj["metadata"]["name"], reports, _conditions(obj))
        findings += signals_of_backend(problems, heard, _declared(obj), _conditions(obj))
        figures = [self._endpoints(obj, counts or _endpoints(obj))]
        if heard is not None:
            figures.append(self._load(obj, heard.load))
        wait = await self._write(BACKENDS, obj, findings, {}, figures)
        if wait is None:
            self._remember(BACKENDS, obj, made_from)
        return wait

    def _endpoints(self, obj: Object, counts: tuple[int, int]) -> Figure:
        """How many endpoints there are: ready ones, and all."""
        figures = (obj.get("status") or {}).get("endpoints")
        shown = (figures["ready"], figures["total"]) if figures else None
        value = {"ready": counts[0], "total": counts[1]}
        return Figure("endpoints", value, lambda: self._telemetry.wait(obj["metadata"]["uid"], shown, counts))

    def _load(self, obj: Object, load: Object | None) -> Figure:
        """The load as it was seen last; of a backend that nobody looks at there is none."""
        before = (obj.get("status") or {}).get("load")

        def wait() -> float | None:
            key = obj["metadata"]["uid"]
            if load is None or (before is None and load_moved(before, load)):
                return self._telemetry.turned(key)
            return self._telemetry.moved(key) if load_moved(before, load) else None

        return Figure("load", load, wait)

    def _told_of(
        self, obj: Object, routes: list[Object] | None, silent: bool, steps: Mapping[str, list[Object]]
    ) -> tuple[Figure, ...]:
        """Of the routes. As long as the loop is ``silent``, what it said before stands."""
        before = (obj.get("status") or {}).get("routes")
        if not silent:
            return (self._routes(obj, with_steps(routes, steps)),)
        told = with_steps(without_steps(before), steps)
        return () if steps_of(before) == steps else (self._routes(obj, told),)

    def _routes(self, obj: Object, routes: list[Object] | None) -> Figure:
        """Where requests go, and how confidence is known; nothing, where the loop leaves the weights alone, and no step
        has a confidence."""
        before, key = (obj.get("status") or {}).get("routes") or (), obj["metadata"]["uid"]
        seen = self._seen.setdefault(obj["metadata"]["namespace"], {})

        def wait() -> float | None:
            if steps_of(before) != steps_of(routes):
                return 0
            if not before and routes is not None and not worth_telling(routes) and not turns(seen.get(key, ()), routes):
                seen[key] = routes
                return None
            if routes is None or routes_turned(before, routes):
                return self._telemetry.turned(key)
            return self._telemetry.moved(key) if routes_moved(before, routes) else None

        return Figure("routes", routes, wait)

    def _remember(self, resource: Resource, obj: Object, made_from: object) -> None:
        """Where nothing had to be written, nothing will have to be before something differs."""
        metadata = obj["metadata"]
        version = self._store.version(resource, metadata["namespace"], metadata["name"])
        if version == int(metadata["resourceVersion"]):
            self._done[metadata["namespace"]].put(metadata["uid"], made_from, True)

    def _same(self, resource: Resource, namespace: str, decided: Decided) -> Iterator[tuple[str, Kept]]:
        """Those whose spec is still what was decided about: of an edit that came meanwhile nothing is known yet."""
        for name in sorted(self._store.kept(resource, namespace)):
            kept = self._store.kept(resource, namespace).get(name)
            if kept is not None and decided.generations.get(kept.uid) == kept.generation:
                yield name, kept

    async def _write(
        self,
        resource: Resource,
        obj: Object,
        findings: list[Finding],
        status: Object,
        figures: Iterable[Figure] = (),
    ) -> float | None:
        """Write a status where it differs; one that is as it should be costs nothing."""
        metadata, before = obj["metadata"], obj.get("status") or {}
        generation = metadata.get("generation", 0)
        conditions = dated(findings, before.get("conditions") or (), generation, self._now())
        wanted = {"observedGeneration": generation, "conditions": conditions, **status}
        same = all(before.get(key) == value for key, value in wanted.items())
        figures = [each for each in figures if before.get(each.field) != each.value]
        if same:
            waits = [wait for each in figures if (wait := each.wait()) is not None]
            if 0 not in waits:
                return min(waits, default=None)
        wanted |= {each.field: each.value for each in figures}
        change = {key: _replacing(before.get(key), value) for key, value in wanted.items()}
        try:
            async with self._limit:
                after = await self._client.patch_status(resource, metadata["namespace"], metadata["name"], change)
        except ApiError as error:
            if error.not_found:
                return None  # deleted meanwhile
            raise
        if figures:
            self._telemetry.wrote(metadata["uid"])
        self._store.written(resource, after)
        told = transitions(before.get("conditions") or (), conditions)
        told += steps_told(steps_of(before.get("routes")), steps_of(wanted.get("routes")))
        if routes := wanted.get("routes"):
            seen = self._seen.get(metadata["namespace"], {}).pop(metadata["uid"], ())
            told += turns(before.get("routes") or seen, routes)
        told += lessons_told(before.get("classifiers") or (), wanted.get("classifiers") or ())
        told += uninjected(*((one.get("router") or {}).get("uninjected", 0) for one in (before, wanted)))
        self._recorder.record(resource, after, told)
        return None


def _by_name(kind: str, problems: Iterable[Problem]) -> dict[str, list[Problem]]:
    """The problems about objects of a kind."""
    found: dict[str, list[Problem]] = {}
    for problem in problems:
        if problem.kind == kind:
            found.setdefault(problem.name, []).append(problem)
    return found


def _endpoints(obj: Object) -> tuple[int, int]:
    """How many are ready, and all, where there is no Service; a URL is one."""
    return (1, 1) if "url" in obj["spec"] else (0, 0)


def _conditions(obj: Object) -> list[Object]:
    return (obj.get("status") or {}).get("conditions") or []


def _declared(backend: Object) -> bool:
    """Whether its engines are to be asked."""
    engine: str = (backend["spec"].get("signals") or {}).get("engine", "None")
    return engine != "None"


def _signals(policy: Object, said: Said | None, lost: frozenset[str]) -> tuple[Finding, ...]:
    """Of a policy, whether the load of its targets is known."""
    targets = policy["spec"].get("targets") or ()
    backends = {target["name"]: target["backendRef"]["name"] for target in targets}
    return tuple(signals_of_policy(backends, said, lost, _conditions(policy)))


def _targets(policy: Object) -> set[str]:
    """The backends of a policy."""
    return {target["backendRef"]["name"] for target in policy["spec"].get("targets") or ()}


def _configs(obj: Object, reported: Reported | None) -> Object:
    """The configurations that routers report; as long as nobody knows, what was said before."""
    before = ((obj.get("status") or {}).get("router") or {}).get("configsInForce")
    shown = before if reported is None else [{"hash": name, "pods": pods} for name, pods in reported.configs]
    return {"configsInForce": shown[:MOST_CONFIGS]} if shown else {}


def _replacing(before: object, value: object) -> object:
    """The change that leaves nothing of what was there before: a merge keeps the fields that it does not name."""
    if isinstance(before, dict) and isinstance(value, dict):
        return {**dict.fromkeys(before), **value}
    return value
