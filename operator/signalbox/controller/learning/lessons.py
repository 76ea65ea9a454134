"""How the lessons of namespaces stand: what is kept of them, what is due, and what goes wrong."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from signalbox.controller.learning.kept import KeptLessons
from signalbox.controller.learning.learner import Due, Learner
from signalbox.controller.watching.store import Store
from signalbox.kube.client import Client
from signalbox.plan.learned import Standing
from signalbox.plan.lessons import Source
from signalbox.plan.outlines import PolicyOutline


class Lessons:
    """See the module. ``children`` holds what was made; ``changed`` is called with a namespace about whose lessons
    there is something new to say."""

    def __init__(self, client: Client, children: Store, changed: Callable[[str], None]) -> None:
        self._kept = KeptLessons(client, children)
        self._learner = Learner(client, self._kept, changed)

    def standings(
        self, namespace: str, policies: Iterable[PolicyOutline], contents: Mapping[Source, str]
    ) -> dict[str, list[Standing]]:
        """By name of the policy, of those that have lessons; ``contents`` are digests of what is learned from."""
        found = self._kept.standings(namespace, policies, contents)
        return {name: [self._learner.troubled(namespace, one) for one in each] for name, each in found.items()}

    async def keep(
        self, namespace: str, policies: Mapping[str, PolicyOutline], standings: Mapping[str, Sequence[Standing]]
    ) -> None:
        """Have learned what is due, and keep what was learned. Raises ``ApiError``."""
        staying = {name: each for name, each in standings.items() if not policies[name].leaving}
        self._learner.want(
            namespace, (Due(policies[name], one) for name, each in staying.items() for one in each if one.due)
        )
        await self._kept.keep(namespace, policies, standings)

    async def run(self) -> None:
        """Learn for ever, as long as this is who leads."""
        await self._learner.run()
