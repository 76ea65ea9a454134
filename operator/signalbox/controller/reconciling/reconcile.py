"""One namespace made what its resources say: observe, plan, apply the difference, say how it went.

Level-triggered: nothing is remembered from one run to the next that could not be found again; killed between any two
writes, the next run ends in the same state.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from signalbox.controller.applying.apply import prune
from signalbox.controller.feedback.loops import Loops
from signalbox.controller.learning.kept import children_of
from signalbox.controller.learning.lessons import Lessons
from signalbox.controller.reconciling.decide import Decided, Decider
from signalbox.controller.reconciling.ensure import AT_ONCE, Child, Ensurer
from signalbox.controller.reconciling.failures import Failures
from signalbox.controller.reconciling.lastgood import LastGood
from signalbox.controller.reconciling.pods import Pods
from signalbox.controller.reconciling.recorder import Recorder
from signalbox.controller.reconciling.sources import Reading, Sources
from signalbox.controller.reconciling.status import StatusWriter
from signalbox.controller.reconciling.together import in_turn
from signalbox.controller.routers.control import Control
from signalbox.controller.watching.store import Store
from signalbox.kube.client import Client
from signalbox.kube.resources import CHILDREN, POLICIES
from signalbox.plan.children import OperatorSettings
from signalbox.plan.compile import Plan
from signalbox.plan.feedback import feedback_plan
from signalbox.plan.status.said import Said
from signalbox.routing.address_rules import AddressRules


class Reconciler:
    """Reconciles namespaces, one call each.

    ``store`` holds what users wrote, ``children_of`` what we did; ``settings`` are asked for each time; ``rules``
    are those for the addresses of backends; ``now`` gives the time for transitions, in UTC; ``control`` is told what
    routers are to have, and tells what they say; ``own`` are the operator's Services, where no backend is; ``said`` is
    what the feedback loop says of a namespace, and ``loops`` are told what it works on; ``changed`` is called with a
    namespace about whose lessons there is something new to say.
    """

    def __init__(
        self,
        client: Client,
        store: Store,
        children_of: Store,
        settings: Callable[[], OperatorSettings],
        rules: AddressRules,
        recorder: Recorder,
        now: Callable[[], datetime],
        control: Control | None = None,
        own: Sequence[tuple[str, str]] = (),
        said: Callable[[str], Said | None] = lambda namespace: None,
        loops: Loops | None = None,
        changed: Callable[[str], None] = lambda namespace: None,
    ) -> None:
        self._client, self._loops = client, loops
        self._store = store
        self._children = children_of
        self._control = control
        self._status = StatusWriter(client, store, recorder, now, control, said)
        pods = Pods(store, settings().image)
        self._ensurer = Ensurer(client, children_of, pods, settings, control)
        self._sources = Sources(client, store, children_of)
        self.lessons = Lessons(client, children_of, changed)
        self.decider = Decider(store, LastGood(children_of), rules, pods, own, self.lessons)

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
        failures = Failures()
        with failures.collected():
            await self._status.welcome(namespace, decided.problems)
        routers = decided.plan.routers
        done = await in_turn((self._ensurer.ensure(router, decided, reading) for router in routers), AT_ONCE)
        self._ensurer.keep(namespace, {router.config.name for router in routers})
        serving = {name: one.serving for router, one in zip(routers, done, strict=True) for name in router.members}
        again = [one.again for one in done if one.again is not None]
        if self._control is not None:
            self._control.retain(namespace, {r.config.name: () if r.sidecar is None else r.members for r in routers})
        with failures.collected():
            await self._steer(namespace, decided.plan, reading)
        planned = {child for one in done for child in one.children} | children_of(decided.standings)
        with failures.collected():
            outlines = {name: policy.outline for name, policy in decided.policies.items()}
            await self.lessons.keep(namespace, outlines, decided.standings)
        with failures.collected():
            keep = planned | self._unplanned(namespace, decided, planned)
            await prune(self._client, self._children, namespace, keep)
        with failures.collected():
            later = await self._status.policies(namespace, decided, routers, serving)
            again += [later] if later is not None else []
        with failures.collected():
            later = await self._status.backends(namespace, decided)
            again += [later] if later is not None else []
        self._status.forget(namespace)
        failures.add(one.failure for one in done if one.failure is not None)
        failures.add(reading.unreadable.values())
        failures.raise_worst()
        return min(again, default=None)

    async def _steer(self, namespace: str, plan: Plan, reading: Reading) -> None:
        """Let the loop work on what routers have now. Authorities are read where routers read them."""
        if self._loops is None:
            return
        followed = feedback_plan(plan)
        wanted = {scrape.ca for scrape in followed.scrapes if scrape.ca is not None}
        entries: dict[str, bytes] = {}
        for router in plan.routers:
            named = {name: entry for name, entry in router.entries.items() if name in wanted - entries.keys()}
            entries |= await reading.contents(router.config.name, named)
        self._loops.use(namespace, followed, entries, [router.config for router in plan.routers])

    def _unplanned(self, namespace: str, decided: Decided, planned: set[Child]) -> set[Child]:
        """Children of policies that are there but cannot be planned now: invalid, and their last good form unknown.

        Those whose policies are all gone, too: they are for Kubernetes' garbage collector, which no gap in what we know
        can mislead.
        """
        serving = {decided.policies[name].outline.uid for router in decided.plan.routers for name in router.members}
        there = {kept.uid for kept in self._store.kept(POLICIES, namespace).values()}
        found = set()
        for resource in CHILDREN:
            for name, kept in self._children.kept(resource, namespace).items():
                if (resource.kind, name) not in planned:
                    owners = {owner["uid"] for owner in kept.object["metadata"].get("ownerReferences") or ()}
                    if owners & (there - serving) or not owners & there:
                        found.add((resource.kind, name))
        return found
