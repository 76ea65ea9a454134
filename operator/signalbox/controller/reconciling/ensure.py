"""The children of routers made what they should be."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from signalbox.controller.applying.apply import NameTaken, ensure
from signalbox.controller.reconciling.decide import Decided
from signalbox.controller.reconciling.pods import Count, Pods
from signalbox.controller.reconciling.sources import Reading
from signalbox.controller.routers.control import Control
from signalbox.controller.watching.store import Store
from signalbox.kube.client import Client, Object
from signalbox.kube.errors import ApiError
from signalbox.kube.resources import CHILDREN, CONFIG_MAPS, DEPLOYMENTS, SECRETS
from signalbox.plan.children import CONFIG_HASH, OperatorSettings, children
from signalbox.plan.lastgood import BACKENDS_KEY, POLICIES_KEY, Record
from signalbox.plan.memory import Memory
from signalbox.plan.rollouts import rolled_out, serves, upgrades, waits_for
from signalbox.plan.routers import PlannedRouter
from signalbox.plan.services import at
from signalbox.plan.status.conditions import Serving

_log = logging.getLogger(__name__)

# Routers that wait for their turn to be upgraded ask again after this time.
TURN_SECONDS = 5.0
# What has a child's name and is not ours is not watched.
TAKEN_SECONDS = 10.0
# Routers whose children are written at the same time, over all namespaces.
AT_ONCE = 8

Child = tuple[str, str]  # kind and name


@dataclass(frozen=True)
class Ensured:
    """What is known of a router after its children were looked at: which those are, and when to look again, in
    seconds."""

    serving: Serving
    children: frozenset[Child]
    again: float | None = None
    failure: Exception | None = None


class Ensurer:
    """Looks at the children of one router after the other. Where nothing has changed of what they are made from, and
    nothing of themselves, since they were found to be as they should be, that is known without a look."""

    def __init__(
        self,
        client: Client,
        store: Store,
        pods: Pods,
        settings: Callable[[], OperatorSettings],
        control: Control | None,
    ) -> None:
        self._client, self._children, self._pods = client, store, pods
        self._settings, self._control = settings, control
        self._rolling = asyncio.Lock()
        self._limit = asyncio.Semaphore(AT_ONCE)
        self._found: dict[str, Memory[Ensured]] = {}

    async def ensure(self, router: PlannedRouter, decided: Decided, reading: Reading) -> Ensured:
        """Make its children what they should be. What went wrong is in the answer."""
        found = self._found.setdefault(reading.namespace, Memory())
        name = router.config.name
        if (known := found.get(name, self._made_from(router, decided, reading))) is not None:
            return known
        async with self._limit:  # one of very many: the API server is not to be asked for all of them at once
            before = self._made_from(router, decided, reading)
            ensured = await self._ensured(router, decided, reading)
            settled = ensured.again is None and ensured.serving.blocked is None
            if settled and before == self._made_from(router, decided, reading):
                found.put(name, before, ensured)
            return ensured

    def keep(self, namespace: str, routers: set[str]) -> None:
        """Forget all others of a namespace."""
        found = self._found.get(namespace)
        if found is not None:
            found.keep(routers)
            if not found:
                del self._found[namespace]

    def _made_from(self, router: PlannedRouter, decided: Decided, reading: Reading) -> object:
        """All that its children depend on, and which children there are; of all objects only what tells versions."""
        namespace, name = reading.namespace, router.config.name
        return (
            router,
            [decided.policies[member].version for member in router.members],
            [decided.policies[member].outline for member in router.members],
            [decided.version_of(backend.name) for backend in router.config.backends],
            reading.digest(router.entries),
            self._settings(),
            self._injected(router, namespace),
            [self._children.version(resource, namespace, name) for resource in CHILDREN],
        )

    async def _ensured(self, router: PlannedRouter, decided: Decided, reading: Reading) -> Ensured:
        blocked, again, waiting = None, None, ""
        failure: Exception | None = None
        # Nothing is taken away before it is known what there should be.
        planned = frozenset((resource.kind, router.config.name) for resource in CHILDREN)
        if all(decided.policies[member].outline.leaving for member in router.members):
            # Whether its children go, stay, or go first is for who deletes it to say, and the garbage collector's work.
            return Ensured(self._serving(router, reading.namespace, None), planned)
        try:
            entries = await reading.contents(router.config.name, router.entries)
            manifests = self._manifests(router, decided, reading.namespace, entries)
            planned = frozenset((manifest["kind"], router.config.name) for manifest in manifests)
            if waiting := await self._apply(router, manifests, reading.namespace, entries):
                again = TURN_SECONDS
        except NameTaken as taken:
            blocked, again = ("NameConflict", str(taken)), TAKEN_SECONDS
        except ApiError as error:
            blocked = ("ApplyFailed", f"the API server refused: {error}")
            failure = None if error.invalid else error  # else only another object can help, which is an event
        except Exception as error:  # in what makes this one router: all others go on
            blocked, failure = ("InternalError", "a defect of the operator: see its log"), error
        serving = self._serving(router, reading.namespace, blocked)
        return Ensured(msgspec.structs.replace(serving, waiting=waiting), planned, again, failure)

    def _manifests(
        self, router: PlannedRouter, decided: Decided, namespace: str, entries: Mapping[str, bytes]
    ) -> list[Object]:
        live = self._children.get(DEPLOYMENTS, namespace, router.config.name)
        replicas = live["spec"].get("replicas") if live is not None else None
        policies = {member: decided.policies[member].outline for member in router.members}
        remembered = _last_good(router, decided.records)
        return children(router, policies, entries, self._settings(), replicas, remembered)

    async def _apply(
        self, router: PlannedRouter, manifests: list[Object], namespace: str, entries: Mapping[str, bytes]
    ) -> str:
        """Why the Deployment still waits for its turn to be upgraded, where it does."""
        waiting, name = "", router.config.name
        if self._control is not None:
            held = (self._children.get(resource, namespace, name) for resource in (CONFIG_MAPS, SECRETS))
            self._control.replaces(namespace, name, *held)
        for manifest in manifests:
            if manifest["kind"] == DEPLOYMENTS.kind:
                waiting = await self._ensure_deployment(manifest)
            else:
                await self._ensure(manifest)
            if manifest["kind"] == CONFIG_MAPS.kind and self._control is not None:
                self._control.publish(namespace, router.config, entries)
        return waiting

    def _serving(self, router: PlannedRouter, namespace: str, blocked: tuple[str, str] | None) -> Serving:
        """What is known of a router, once its children have been written or not. A sidecar is ready as soon as its
        configuration is there: whether pods have it is another matter.
        """
        name = router.config.name
        config = self._children.get(CONFIG_MAPS, namespace, name)
        known = Serving(
            programmed=blocked is None,
            available=router.sidecar is not None,
            blocked=blocked,
            config_hash=at(config, "metadata", "annotations", CONFIG_HASH),
        )
        if (pods := self._injected(router, namespace)) is not None:
            return msgspec.structs.replace(known, replicas=pods.injected, uninjected=pods.missing)
        live = self._children.get(DEPLOYMENTS, namespace, name)
        if live is None:
            return msgspec.structs.replace(known, rolling=True)
        return msgspec.structs.replace(
            known,
            rolling=not rolled_out(live),
            available=serves(live),
            replicas=live["spec"].get("replicas"),
            ready_replicas=at(live, "status", "readyReplicas") or 0,
        )

    def _injected(self, router: PlannedRouter, namespace: str) -> Count | None:
        return self._pods.count(namespace, router.members[0]) if router.sidecar is not None else None

    async def _ensure_deployment(self, manifest: Object) -> str:
        """Why it could not be done yet, if so; of upgrades one at a time, so that no two routers take the same turn."""
        namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
        if not upgrades(manifest, self._children.get(DEPLOYMENTS, namespace, name)):
            await self._ensure(manifest)
            return ""
        async with self._rolling:
            live = self._children.get(DEPLOYMENTS, namespace, name)
            wait = waits_for(manifest, live, self._children.everywhere(DEPLOYMENTS))
            if wait is None:
                await self._ensure(manifest)
                return ""
        _log.info("router %s/%s keeps its release for now: %s (%s)", namespace, name, wait.message, wait.routers)
        return wait.message

    async def _ensure(self, manifest: Object) -> None:
        if await ensure(self._client, self._children, manifest):
            metadata = manifest["metadata"]
            kind, namespace, name = manifest["kind"], metadata["namespace"], metadata["name"]
            written = {"namespace": namespace, "object": f"{kind}/{name}"}
            _log.info("wrote %s %s/%s", kind, namespace, name, extra=written)


def _last_good(
    router: PlannedRouter, records: Mapping[tuple[str, str], Callable[[], Record]]
) -> dict[str, dict[str, Record]]:
    """What its ConfigMap is to remember."""
    backends = [backend.name for backend in router.config.backends if ("ModelBackend", backend.name) in records]
    return {
        POLICIES_KEY: {name: records["RoutingPolicy", name]() for name in router.members},
        BACKENDS_KEY: {name: records["ModelBackend", name]() for name in backends},
    }
