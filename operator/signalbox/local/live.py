"""A directory that serves: workers started from it, and every edit put in force."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from signalbox.feedback.plan import Plan as FeedbackPlan
from signalbox.local.feedback import Feedback
from signalbox.local.lastgood import LastGood
from signalbox.local.learning.learned import Tell, due, outcome, title
from signalbox.local.limits import whole
from signalbox.local.merge import ModelConflictError, merge
from signalbox.local.resources import Options
from signalbox.local.source import Located, SourceError
from signalbox.local.watch import Fingerprint, changes, fingerprint
from signalbox.local.workspace import Workspace
from signalbox.plan.feedback import Followed, feedback_plan
from signalbox.plan.learned import Standing
from signalbox.plan.lessons import Source
from signalbox.router.process.supervisor import Supervisor
from signalbox.router.serving.response_ids import KEY_ENTRY
from signalbox.router.wire.errors import ConfigRejectedError
from signalbox.routing.config import RouterConfig, content_hash, encode
from signalbox.training.run import QUIET_SECONDS


class StartError(Exception):
    """The directory cannot serve as it is; ``problems`` say why, where the message does not."""

    def __init__(self, message: str, problems: Sequence[Located] = ()) -> None:
        super().__init__(message)
        self.problems = problems


_MENDED_BY_A_FLAG = frozenset(("ServiceNotFound", "NoReadyEndpoint"))


def _can_serve(workspace: Workspace) -> bool:
    """Whether any policy has a target that resolves."""
    idle = {p.name for p in workspace.plan.problems if p.kind == "RoutingPolicy" and p.reason == "NoResolvedTarget"}
    return any(policy.name not in idle for router in workspace.plan.routers for policy in router.config.policies)


@dataclass(frozen=True, slots=True)
class Change:
    """What an edit led to: a new configuration in force or not, and what is wrong with the files now.

    ``error`` is set when nothing of the edit could be used; ``kept`` names policies that serve in an earlier form.
    """

    applied: bool
    config_hash: str
    problems: Sequence[Located] = ()
    notes: Sequence[str] = ()
    kept: Sequence[str] = ()
    error: str = ""


class Live:
    """One directory, one listener. ``load`` first, then ``start`` a supervisor with it, then ``follow`` the edits.

    ``workers`` None means the largest number that a policy asks for; it is known after ``load`` and stays.
    """

    def __init__(self, options: Options, workers: int | None = None) -> None:
        self.options = options
        self.workers = workers or 0
        self._last_good = LastGood(options)
        # One for all workers and every reload, or an id from one worker would mean nothing to another.
        self._response_key = os.urandom(32)
        self._in_force: tuple[bytes, Mapping[str, bytes]] = (b"", {})
        self._followed = Followed(plan=FeedbackPlan(), scrapes=())
        self._read: Fingerprint = ()
        self._lessons: tuple[Sequence[Standing], Mapping[Source, bytes]] = ((), {})
        self._reloading = asyncio.Lock()
        self._news = asyncio.Event()

    def load(self) -> tuple[Workspace, RouterConfig]:
        """Read the directory for the first time.

        What can serve does, whatever else is wrong, just as it would go on serving after an edit; only a Service
        without endpoints is always an error, because only a flag can mend it. Raises ``StartError``.
        """
        self._read = fingerprint(self.options.path)
        try:
            seen, served = self._last_good.read()
            if not served.resources.policies and not seen.errors:
                raise StartError(f"{self.options.path} holds no RoutingPolicy: there is nothing to serve")
            if not _can_serve(served) or any(one.problem.reason in _MENDED_BY_A_FLAG for one in seen.errors):
                raise StartError("", seen.problems)
            policies = served.resources.policies.values()
            self.workers = self.workers or max(policy.spec.deployment_in_force.workers for policy in policies)
            return seen, self._prepare(served)
        except (SourceError, ModelConflictError) as error:
            raise StartError(str(error)) from None

    @property
    def asked(self) -> frozenset[str]:
        """The backends whose engines show their load."""
        return frozenset(scrape.backend for scrape in self._followed.scrapes)

    def steer(self, feedback: Feedback) -> None:
        """Let the loop work on what is in force."""
        feedback.use(self._followed, self._in_force[1])

    async def start(self, supervisor: Supervisor) -> None:
        """Serve what was loaded. Raises what ``Supervisor.start`` raises."""
        supervisor.lease(whole(self._in_force[0], self.workers))
        await supervisor.start(*self._in_force)

    async def follow(self, supervisor: Supervisor, feedback: Feedback, report: Callable[[Change], None]) -> None:
        """Put every edit in force, for ever."""
        async for _ in changes(self.options.path, self._read):
            report(await self.reload(supervisor))
            self.steer(feedback)

    async def learn(
        self, supervisor: Supervisor, feedback: Feedback, report: Callable[[Change], None], tell: Tell
    ) -> None:
        """Have learned what policies have learned for them, one after the other, and put it in force; for ever. What
        takes longer than a moment is told."""
        loop = asyncio.get_running_loop()
        while True:
            before = self._lessons
            left, examples = due(before[0]), before[1]
            if not left:
                await self._news.wait()
                continue
            one = left[0]
            slow = loop.call_later(QUIET_SECONDS, tell, f"learning {title(one)} …")
            try:
                await self.options.learned.learn(one, examples)
            finally:
                slow.cancel()
            report(await self.reload(supervisor))
            self.steer(feedback)
            if self._lessons is before:  # the directory cannot be used now
                await self._news.wait()
            now = next((each for each in self._lessons[0] if each.lesson.key == one.lesson.key), None)
            if now is not None and (said := outcome(now)):
                tell(said)

    async def reload(self, supervisor: Supervisor) -> Change:
        """Read the directory again; what is valid of it is in force when this returns."""
        async with self._reloading:
            return await self._reload(supervisor)

    async def _reload(self, supervisor: Supervisor) -> Change:
        before, followed = self._in_force, self._followed
        try:
            seen, served = await asyncio.to_thread(self._last_good.read)
            self._prepare(served)
            applied = self._in_force != before
            if applied:
                await supervisor.apply(*self._in_force)
                supervisor.lease(whole(self._in_force[0], self.workers))
        except (SourceError, ModelConflictError, ConfigRejectedError) as error:
            self._in_force, self._followed = before, followed
            return Change(False, content_hash(before[0]), error=str(error))
        serving = {policy.name for router in served.plan.routers for policy in router.config.policies}
        valid = {policy.name for router in seen.plan.routers for policy in router.config.policies}
        return Change(
            applied=applied,
            config_hash=content_hash(self._in_force[0]),
            problems=seen.problems,
            notes=seen.resources.source.notes,
            kept=sorted(serving - valid),
        )

    def _prepare(self, served: Workspace) -> RouterConfig:
        router = merge(served.plan.routers, self.workers)
        secrets = {**served.secrets(router), KEY_ENTRY: self._response_key}
        self._in_force = (encode(router.config), secrets)
        self._followed = feedback_plan(served.plan)
        self._lessons = served.standings, served.examples
        self._news.set()
        self._news = asyncio.Event()
        return router.config
