"""One namespace made what its resources say: observe, plan, apply the difference, say how it went.

Level-triggered: nothing is remembered from one run to the next that could not be found again, the last valid forms of
policies apart; killed between any two writes, the next run ends in the same state.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from signalbox.api import RoutingPolicy
from signalbox.controller import observe
from signalbox.controller.apply import NameTaken, ensure, prune
from signalbox.controller.status import StatusWriter
from signalbox.controller.store import Store
from signalbox.kube.client import Client, Object
from signalbox.kube.errors import ApiError
from signalbox.kube.resources import CHILDREN, DEPLOYMENTS, POLICIES
from signalbox.plan.children import OperatorSettings, children
from signalbox.plan.compile import Plan, PlannedRouter, plan
from signalbox.plan.conditions import Serving
from signalbox.plan.contents import content
from signalbox.plan.problems import Problem
from signalbox.plan.rollouts import rolled_out, waits_for

_log = logging.getLogger(__name__)


class Reconciler:
    """Reconciles namespaces, one call each.

    ``store`` holds what users wrote, ``children_of`` what we did; ``now`` gives the time for transitions, in UTC.
    """

    def __init__(
        self,
        client: Client,
        store: Store,
        children_of: Store,
        settings: OperatorSettings,
        now: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._store = store
        self._children = children_of
        self._settings = settings
        self._status = StatusWriter(client, store, now)
        self._rolling = asyncio.Lock()
        self._last_good: dict[tuple[str, str], RoutingPolicy] = {}

    async def reconcile(self, namespace: str) -> bool:
        """See the module; whether a router still waits for its turn to be upgraded.

        Raises ``ApiError``, after having done what could be done.
        """
        client, store = self._client, self._store
        seen = observe.resources(store, namespace)
        secrets, config_maps = await observe.values(
            client, store, namespace, seen.policies.values(), seen.backends.values()
        )
        observed = observe.observed(store, namespace, seen, secrets, config_maps)
        said = plan(seen.policies.values(), seen.backends.values(), observed)
        problems = [*seen.problems, *said.problems]
        served, policies = self._serve_last_good(namespace, seen, problems, said, observed)
        serving: dict[str, Serving] = {}
        planned: set[tuple[str, str]] = set()
        failure: ApiError | None = None
        waiting = False
        for router in served.routers:
            entries = {entry: content(source, secrets, config_maps) for entry, source in router.entries.items()}
            try:
                state, waits = await self._ensure_router(router, policies, entries, planned)
                waiting |= waits
            except ApiError as error:
                failure = error
                state = Serving(blocked=("ApplyFailed", f"the API server refused: {error}"))
            serving |= dict.fromkeys(router.members, state)
        await prune(client, self._children, namespace, planned | self._unplanned(namespace, served, policies))
        await self._status.policies(namespace, problems, served.routers, serving)
        await self._status.backends(namespace, problems, observed.services)
        if failure is not None:
            raise failure
        return waiting

    def _serve_last_good(
        self,
        namespace: str,
        seen: observe.Seen,
        problems: Iterable[Problem],
        said: Plan,
        observed: Any,
    ) -> tuple[Plan, dict[str, RoutingPolicy]]:
        """The plan with the last valid form of each policy that is invalid now, and the policies behind it."""
        invalid = {p.name for p in problems if p.kind == "RoutingPolicy" and p.invalidates}
        there = {obj["metadata"]["name"] for obj in self._store.of(POLICIES, namespace)}
        for key in [key for key in self._last_good if key[0] == namespace and key[1] not in there]:
            del self._last_good[key]
        for name, policy in seen.policies.items():
            if name not in invalid:
                self._last_good[namespace, name] = policy
        restored = {name: self._last_good[namespace, name] for name in invalid if (namespace, name) in self._last_good}
        if not restored:
            return said, seen.policies
        policies = {**{name: p for name, p in seen.policies.items() if name not in invalid}, **restored}
        return plan(policies.values(), seen.backends.values(), observed), policies

    async def _ensure_router(
        self,
        router: PlannedRouter,
        policies: dict[str, RoutingPolicy],
        entries: dict[str, bytes],
        planned: set[tuple[str, str]],
    ) -> tuple[Serving, bool]:
        """Make its children what they should be; ``planned`` gets their kinds and names.

        Also gives whether the Deployment still waits for its turn to be upgraded.
        """
        namespace, name = policies[router.members[0]].metadata.namespace, router.config.name
        live = self._children.get(DEPLOYMENTS, namespace, name)
        replicas = live["spec"].get("replicas") if live is not None else None
        manifests = children(router, policies, entries, self._settings, replicas)
        planned |= {(manifest["kind"], name) for manifest in manifests}
        waits = False
        try:
            for manifest in manifests:
                if manifest["kind"] == DEPLOYMENTS.kind:
                    waits = not await self._ensure_deployment(manifest)
                else:
                    await self._ensure(manifest)
        except NameTaken as taken:
            return Serving(blocked=("NameConflict", str(taken))), waits
        live = self._children.get(DEPLOYMENTS, namespace, name)
        return Serving(programmed=True, available=live is not None and rolled_out(live)), waits

    async def _ensure_deployment(self, manifest: Object) -> bool:
        """Whether it could be done already; one at a time, so that no two routers take the same turn."""
        namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
        async with self._rolling:
            live = self._children.get(DEPLOYMENTS, namespace, name)
            reason = waits_for(manifest, live, self._children.everywhere(DEPLOYMENTS))
            if reason is None:
                await self._ensure(manifest)
                return True
        _log.info("router %s/%s keeps its release for now: %s", namespace, name, reason)
        return False

    async def _ensure(self, manifest: Object) -> None:
        if await ensure(self._client, self._children, manifest):
            metadata = manifest["metadata"]
            _log.info("wrote %s %s/%s", manifest["kind"], metadata["namespace"], metadata["name"])

    def _unplanned(self, namespace: str, served: Plan, policies: dict[str, RoutingPolicy]) -> set[tuple[str, str]]:
        """Children of policies that are there but cannot be planned now: invalid, and their last good form unknown.

        Those whose policies are all gone, too: they are for Kubernetes' garbage collector, which no gap in what we know
        can mislead.
        """
        serving = {policies[name].metadata.uid for router in served.routers for name in router.members}
        there = {obj["metadata"]["uid"] for obj in self._store.of(POLICIES, namespace)}
        found = set()
        for resource in CHILDREN:
            for live in self._children.of(resource, namespace):
                owners = {owner["uid"] for owner in live["metadata"].get("ownerReferences") or ()}
                if owners & (there - serving) or not owners & there:
                    found.add((resource.kind, live["metadata"]["name"]))
        return found
