"""Saying how it went: conditions and addresses, written where they differ and nowhere else."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from signalbox.controller.store import Store
from signalbox.kube.client import Client, Object
from signalbox.kube.errors import ApiError
from signalbox.kube.resources import BACKENDS, POLICIES, Resource
from signalbox.plan.children import address
from signalbox.plan.compile import PlannedRouter
from signalbox.plan.conditions import Finding, Serving, dated, of_backend, of_policy
from signalbox.plan.observed import Service
from signalbox.plan.problems import Problem


class StatusWriter:
    """Writes the statuses of the policies and backends of a namespace; ``now`` dates transitions, in UTC."""

    def __init__(self, client: Client, store: Store, now: Callable[[], datetime]) -> None:
        self._client, self._store, self._now = client, store, now

    async def policies(
        self,
        namespace: str,
        problems: Sequence[Problem],
        routers: Iterable[PlannedRouter],
        serving: Mapping[str, Serving],
    ) -> None:
        """``routers`` are those that serve, ``serving`` is what is known of them by name of the policy."""
        names = {name: router.config.name for router in routers for name in router.members}
        for obj in self._store.of(POLICIES, namespace):
            name = obj["metadata"]["name"]
            about = [p for p in problems if p.kind == "RoutingPolicy" and p.name == name]
            status: Object = {}
            if name in names:
                status["addresses"] = [{"type": "Service", "url": address(names[name], namespace)}]
            await self._write(POLICIES, obj, of_policy(about, serving.get(name, Serving())), status)

    async def backends(self, namespace: str, problems: Sequence[Problem], services: Mapping[str, Service]) -> None:
        """``services`` is what each ``serviceRef`` leads to, by name of the backend."""
        for obj in self._store.of(BACKENDS, namespace):
            name = obj["metadata"]["name"]
            about = [p for p in problems if p.kind == "ModelBackend" and p.name == name]
            service = services.get(name)
            await self._write(BACKENDS, obj, of_backend(about, len(service.endpoints) if service else None), {})

    async def _write(self, resource: Resource, obj: Object, findings: list[Finding], status: Object) -> None:
        """Write a status where it differs; one that is as it should be costs nothing."""
        metadata, before = obj["metadata"], obj.get("status") or {}
        generation = metadata.get("generation", 0)
        conditions = dated(findings, before.get("conditions") or (), generation, self._now())
        wanted = {"observedGeneration": generation, "conditions": conditions, **status}
        if all(before.get(key) == value for key, value in wanted.items()):
            return
        try:
            after = await self._client.patch_status(resource, metadata["namespace"], metadata["name"], wanted)
        except ApiError as error:
            if error.not_found:
                return  # deleted meanwhile
            raise
        self._store.changed(resource, "MODIFIED", after)
