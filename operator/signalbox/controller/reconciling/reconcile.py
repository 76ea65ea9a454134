"""One namespace made what its resources say: observe, plan, apply the difference, say how it went.

Level-triggered: nothing is remembered from one run to the next that could not be found again; killed between any two
writes, the next run ends in the same state.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from signalbox.controller.applying.apply import NameTaken, ensure, prune
from signalbox.controller.reconciling.decide import Decided, Decider
from signalbox.controller.reconciling.lastgood import LastGood
from signalbox.controller.reconciling.pods import Pods
from signalbox.controller.reconciling.recorder import Recorder
from signalbox.controller.reconciling.sources import Reading, Sources
from signalbox.controller.reconciling.status import StatusWriter
from signalbox.controller.reconciling.together import all_of
from signalbox.controller.routers.control import Control
from signalbox.controller.watching.store import Store
from signalbox.kube.client import Client, Object
from signalbox.kube.errors import ApiError
from signalbox.kube.resources import CHILDREN, CONFIG_MAPS, DEPLOYMENTS, POLICIES, SECRETS
from signalbox.plan.children import CONFIG_HASH, OperatorSettings, children
from signalbox.plan.conditions import Serving
from signalbox.plan.lastgood import BACKENDS_KEY, POLICIES_KEY, Record
from signalbox.plan.rollouts import rolled_out, serves, upgrades, waits_for
from signalbox.plan.routers import PlannedRouter
from signalbox.plan.services import at
from signalbox.routing.address_rules import AddressRules, Network, parse_networks

_log = logging.getLogger(__name__)

# Routers that wait for their turn to be upgraded ask again after this time.
TURN_SECONDS = 5.0
# What has a child's name and is not ours is not watched.
TAKEN_SECONDS = 10.0
# Routers whose children are written at the same time, over all namespaces.
AT_ONCE = 8


@dataclass(frozen=True)
class Ensured:
    """What is known of a router after its children were looked at; ``again`` is when to look again, in seconds."""

    serving: Serving
    again: float | None = None
    failure: ApiError | None = None


class Reconciler:
    """Reconciles namespaces, one call each.

    ``store`` holds what users wrote, ``children_of`` what we did; ``settings`` are asked for each time; ``reserved``
    are addresses that no backend may have; ``now`` gives the time for transitions, in UTC; ``control`` is told what
    routers are to have, and tells what they say; ``own`` are the operator's Services, where no backend is.
    """

    def __init__(
        self,
        client: Client,
        store: Store,
        children_of: Store,
        settings: Callable[[], OperatorSettings],
        reserved: Sequence[Network],
        recorder: Recorder,
        now: Callable[[], datetime],
        control: Control | None = None,
        own: Sequence[tuple[str, str]] = (),
    ) -> None:
        self._client = client
        self._store = store
        self._children = children_of
        self._settings = settings
        self._control = control
        self._status = StatusWriter(client, store, recorder, now, control)
        self._rolling = asyncio.Lock()
        self._pods = Pods(store, settings().image)
        self._limit = asyncio.Semaphore(AT_ONCE)
        self._sources = Sources(client, store, children_of)
        rules = AddressRules(parse_networks(settings().allow_cidrs), reserved)
        self.decider = Decider(store, LastGood(children_of), rules, self._pods, own)

    async def welcome(self, namespace: str) -> None:
        """Say of policies about which nothing was said yet whether they are valid. Raises ``ApiError``."""
        decided = await self.decider.decide(namespace, self._sources.reading(namespace))
        await self._status.welcome(namespace, decided.problems)

    async def reconcile(self, namespace: str) -> float | None:
        """See the module. Raises ``ApiError``, after having done what could be done.

        The answer is the number of seconds after which to look again, where nobody would tell us of what we wait for.
        """
        reading = self._sources.reading(namespace)
        decided = await self.decider.decide(namespace, reading)
        self._sources.forget(namespace, decided.used)
        await self._status.welcome(namespace, decided.problems)
        planned: set[tuple[str, str]] = set()
        routers = decided.plan.routers
        done = await all_of(self._ensured(router, decided, reading, planned) for router in routers)
        serving = {name: one.serving for router, one in zip(routers, done, strict=True) for name in router.members}
        again = [one.again for one in done if one.again is not None]
        if self._control is not None:
            self._control.retain(namespace, {r.config.name: () if r.sidecar is None else r.members for r in routers})
        await prune(self._client, self._children, namespace, planned | self._unplanned(namespace, decided))
        await self._status.policies(namespace, decided, routers, serving)
        later = await self._status.backends(namespace, decided)
        again += [later] if later is not None else []
        if failures := [one.failure for one in done if one.failure is not None]:
            raise failures[0]
        return min(again, default=None)

    async def _ensured(
        self, router: PlannedRouter, decided: Decided, reading: Reading, planned: set[tuple[str, str]]
    ) -> Ensured:
        """One of very many: the API server is not to be asked for all of them at once."""
        async with self._limit:
            blocked, again, failure, waiting = None, None, None, ""
            try:
                if waiting := await self._ensure_router(router, decided, reading, planned):
                    again = TURN_SECONDS
            except NameTaken as taken:
                blocked, again = ("NameConflict", str(taken)), TAKEN_SECONDS
            except ApiError as error:
                blocked = ("ApplyFailed", f"the API server refused: {error}")
                failure = None if error.invalid else error  # else only another object can help, which is an event
            serving = self._serving(router, reading.namespace, blocked)
            return Ensured(msgspec.structs.replace(serving, waiting=waiting), again, failure)

    async def _ensure_router(
        self, router: PlannedRouter, decided: Decided, reading: Reading, planned: set[tuple[str, str]]
    ) -> str:
        """Make its children what they should be; ``planned`` gets their kinds and names.

        Gives why the Deployment still waits for its turn to be upgraded, where it does.
        """
        namespace, name = reading.namespace, router.config.name
        everything = {(resource.kind, name) for resource in CHILDREN}
        planned |= everything  # nothing is taken away before it is known what there should be
        entries = await reading.contents(name, router.entries)
        live = self._children.get(DEPLOYMENTS, namespace, name)
        replicas = live["spec"].get("replicas") if live is not None else None
        remembered = _last_good(router, decided.records)
        manifests = children(router, decided.policies, entries, self._settings(), replicas, remembered)
        planned -= everything - {(manifest["kind"], name) for manifest in manifests}
        waiting = ""
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
        live = self._children.get(DEPLOYMENTS, namespace, name)
        if router.sidecar is not None:
            pods = self._pods.count(namespace, router.members[0])
            return msgspec.structs.replace(known, replicas=pods.injected, uninjected=pods.missing)
        if live is None:
            return msgspec.structs.replace(known, rolling=True)
        return msgspec.structs.replace(
            known,
            rolling=not rolled_out(live),
            available=serves(live),
            replicas=live["spec"].get("replicas"),
            ready_replicas=at(live, "status", "readyReplicas") or 0,
        )

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

    def _unplanned(self, namespace: str, decided: Decided) -> set[tuple[str, str]]:
        """Children of policies that are there but cannot be planned now: invalid, and their last good form unknown.

        Those whose policies are all gone, too: they are for Kubernetes' garbage collector, which no gap in what we know
        can mislead.
        """
        serving = {decided.policies[name].metadata.uid for router in decided.plan.routers for name in router.members}
        there = set(self._store.uids(POLICIES, namespace).values())
        found = set()
        for resource in CHILDREN:
            for live in self._children.of(resource, namespace):
                owners = {owner["uid"] for owner in live["metadata"].get("ownerReferences") or ()}
                if owners & (there - serving) or not owners & there:
                    found.add((resource.kind, live["metadata"]["name"]))
        return found


def _last_good(router: PlannedRouter, records: Mapping[tuple[str, str], Record]) -> dict[str, dict[str, Record]]:
    """What its ConfigMap is to remember."""
    backends = [backend.name for backend in router.config.backends if ("ModelBackend", backend.name) in records]
    return {
        POLICIES_KEY: {name: records["RoutingPolicy", name] for name in router.members},
        BACKENDS_KEY: {name: records["ModelBackend", name] for name in backends},
    }
