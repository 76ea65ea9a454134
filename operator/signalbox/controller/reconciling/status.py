"""Saying how it went: conditions and addresses, written where they differ and nowhere else."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from signalbox.controller.reconciling.decide import Decided
from signalbox.controller.reconciling.recorder import Recorder
from signalbox.controller.reconciling.together import all_of
from signalbox.controller.routers.control import Control
from signalbox.controller.watching.store import Store
from signalbox.kube.client import Client, Object
from signalbox.kube.errors import ApiError
from signalbox.kube.resources import BACKENDS, POLICIES, Resource
from signalbox.plan.children import address
from signalbox.plan.conditions import Finding, Serving, dated, of_backend, of_policy
from signalbox.plan.observed import Service
from signalbox.plan.problems import Problem
from signalbox.plan.reported import Reported
from signalbox.plan.reported import of_backend as reported_of_backend
from signalbox.plan.reported import of_policy as reported_of_policy
from signalbox.plan.routers import PlannedRouter
from signalbox.plan.telemetry import Telemetry
from signalbox.plan.transitions import transitions, uninjected

MOST_CONFIGS = 16
# Writes over all namespaces. More at once only make each of them slower, those of the Lease too.
AT_ONCE = 4


class StatusWriter:
    """Writes the statuses of the policies and backends of a namespace; ``now`` dates transitions, in UTC.

    ``control`` tells what routers report, where they do.
    """

    def __init__(
        self,
        client: Client,
        store: Store,
        recorder: Recorder,
        now: Callable[[], datetime],
        control: Control | None = None,
    ) -> None:
        self._client, self._store, self._recorder, self._now = client, store, recorder, now
        self._control = control
        self._telemetry = Telemetry(time.monotonic)
        self._limit = asyncio.Semaphore(AT_ONCE)

    async def welcome(self, namespace: str, problems: Sequence[Problem]) -> None:
        """Of policies about which nothing was said yet: are they valid? Where there are very many of them, the objects
        of their routers take longer."""
        about = _by_name("RoutingPolicy", problems)
        new = [obj for obj in self._store.of(POLICIES, namespace) if not (obj.get("status") or {}).get("conditions")]
        await all_of(
            self._write(POLICIES, obj, of_policy(about.get(obj["metadata"]["name"], ()), Serving()), {}) for obj in new
        )

    async def policies(
        self, namespace: str, decided: Decided, routers: Iterable[PlannedRouter], serving: Mapping[str, Serving]
    ) -> None:
        """``routers`` are those that serve, ``serving`` is what is known of them by name of the policy."""
        planned = {name: router for router in routers for name in router.members}
        about = _by_name("RoutingPolicy", decided.problems)
        writes = []
        for obj in self._same(POLICIES, namespace, decided):
            name = obj["metadata"]["name"]
            status: Object = {}
            known = serving.get(name, Serving())
            found = of_policy(about.get(name, ()), known)
            if (router := planned.get(name)) is not None:
                status["addresses"] = [address(router, namespace)]
                reported = None
                if self._control is not None:
                    reported = self._control.reported(namespace, router.config.name)
                    found = reported_of_policy(found, reported, _targets(obj), _conditions(obj))
                status["router"] = {**known.status, **_configs(obj, reported)}
            writes.append(self._write(POLICIES, obj, found, status))
        await all_of(writes)

    async def backends(self, namespace: str, decided: Decided) -> float | None:
        """The answer is the number of seconds after which a figure may be written that may not be written yet."""
        about = _by_name("ModelBackend", decided.problems)
        writes = []
        for obj in self._same(BACKENDS, namespace, decided):
            name = obj["metadata"]["name"]
            service = decided.services.get(name)
            findings = of_backend(about.get(name, ()), len(service.endpoints) if service else None)
            if self._control is not None:
                reports = self._control.reports(namespace)
                findings = reported_of_backend(findings, name, reports, _conditions(obj))
            writes.append(self._write(BACKENDS, obj, findings, {}, _endpoints(obj, service)))
        return min((wait for wait in await all_of(writes) if wait), default=None)

    def _same(self, resource: Resource, namespace: str, decided: Decided) -> list[Object]:
        """Those whose spec is still what was decided about: of an edit that came meanwhile nothing is known yet."""
        return [
            obj
            for obj in self._store.of(resource, namespace)
            if decided.generations.get(obj["metadata"]["uid"], -1) == obj["metadata"].get("generation")
        ]

    async def _write(
        self,
        resource: Resource,
        obj: Object,
        findings: list[Finding],
        status: Object,
        endpoints: tuple[int, int] | None = None,
    ) -> float | None:
        """Write a status where it differs; one that is as it should be costs nothing."""
        metadata, before = obj["metadata"], obj.get("status") or {}
        generation = metadata.get("generation", 0)
        conditions = dated(findings, before.get("conditions") or (), generation, self._now())
        wanted = {"observedGeneration": generation, "conditions": conditions, **status}
        same = all(before.get(key) == value for key, value in wanted.items())
        if endpoints is not None:
            figures = before.get("endpoints")
            shown = (figures["ready"], figures["total"]) if figures else None
            if same and shown != endpoints:
                wait = self._telemetry.wait(metadata["uid"], shown, endpoints)
                if wait != 0:
                    return wait
                same = False
            wanted["endpoints"] = {"ready": endpoints[0], "total": endpoints[1]}
        if same:
            return None
        change = {key: _replacing(before.get(key), value) for key, value in wanted.items()}
        try:
            async with self._limit:
                after = await self._client.patch_status(resource, metadata["namespace"], metadata["name"], change)
        except ApiError as error:
            if error.not_found:
                return None  # deleted meanwhile
            raise
        if endpoints is not None:
            self._telemetry.wrote(metadata["uid"])
        self._store.written(resource, after)
        told = transitions(before.get("conditions") or (), conditions)
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


def _endpoints(obj: Object, service: Service | None) -> tuple[int, int] | None:
    """How many are ready, and all; a URL is one."""
    if service is not None:
        return len(service.endpoints), service.total
    return (1, 1) if "url" in obj["spec"] else (0, 0)


def _conditions(obj: Object) -> list[Object]:
    return (obj.get("status") or {}).get("conditions") or []


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
