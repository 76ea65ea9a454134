"""Learns what is due: one lesson at a time, in a process of its own, and of each state of a lesson once.

Level-triggered: a reconcile says which lessons of its namespace are due. What comes of one is in a ConfigMap, whose
change has the namespace reconciled.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from signalbox.controller.applying.apply import NameTaken
from signalbox.controller.learning.kept import KeptLessons
from signalbox.kube.client import Client
from signalbox.kube.contents import values
from signalbox.kube.errors import ApiError
from signalbox.kube.resources import CONFIG_MAPS, SECRETS
from signalbox.plan.contents import fact
from signalbox.plan.learned import Standing, after_failure, after_success
from signalbox.plan.lessons import Source
from signalbox.plan.outlines import PolicyOutline
from signalbox.training.run import Done, Trouble, learn

# What may pass is tried again after this time, and after twice as long each time.
FIRST_DELAY = 30.0
LONGEST_DELAY = 3600.0
WRITE_TRIES = 8
# What is read now and what the watch has told differ for a moment; were it longer, nobody is to ask all the time.
BEHIND_SECONDS = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Due:
    """A lesson to learn, and whose it is."""

    policy: PolicyOutline
    standing: Standing

    @property
    def place(self) -> tuple[str, str]:
        """Where it belongs."""
        return self.policy.namespace, self.standing.lesson.key


@dataclass(frozen=True)
class Failing:
    """What has gone wrong with one state of a lesson, how often, and when it is tried again."""

    digest: str | None
    message: str
    times: int
    again: float


class Learner:
    """``changed`` is called with a namespace about whose lessons there is something new to say."""

    def __init__(
        self,
        client: Client,
        kept: KeptLessons,
        changed: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._kept, self._changed, self._clock = client, kept, changed, clock
        self._due: dict[str, dict[str, Due]] = {}
        self._failing: dict[tuple[str, str], Failing] = {}
        self._working: list[tuple[Due, asyncio.Task[None]]] = []
        self._news = asyncio.Event()

    def troubled(self, namespace: str, standing: Standing) -> Standing:
        """With what went wrong when it was to be learned."""
        known = self._failing.get((namespace, standing.lesson.key))
        if known is None or known.digest != standing.wanted or not standing.due:
            return standing
        return msgspec.structs.replace(standing, trouble=known.message)

    def want(self, namespace: str, due: Iterable[Due]) -> None:
        """These are all that are due in a namespace. What is being learned and is not due any more is given up."""
        found = {one.standing.lesson.key: one for one in due}
        self._due.pop(namespace, None)
        if found:
            self._due[namespace] = found
        states = {(namespace, key): one.standing.wanted for key, one in found.items()}
        for place in [place for place in self._failing if place[0] == namespace]:
            if states.get(place, "") != self._failing[place].digest:
                del self._failing[place]
        for one, task in self._working:
            if one.policy.namespace == namespace and states.get(one.place, "") != one.standing.wanted:
                task.cancel()
        self._news.set()
        self._news = asyncio.Event()

    async def run(self) -> None:
        """For ever. Cancelled, it leaves no process behind."""
        try:
            await asyncio.gather(self._work(finished=True), self._work(finished=False))
        finally:
            self._due.clear()
            self._failing.clear()

    async def _work(self, *, finished: bool) -> None:
        """Models that were made elsewhere do not wait for those that have to be learned."""
        while True:
            one = await self._next(finished)
            working = one, asyncio.create_task(self._learn(one))
            self._working.append(working)
            task = working[1]
            try:
                await asyncio.wait({task})
            finally:
                task.cancel()
                await asyncio.wait({task})
                self._working.remove(working)
            if not task.cancelled() and (error := task.exception()) is not None:
                _log.error("lesson %s/%s meets a defect", *one.place, exc_info=error)
                self._failed(one, f"training met a defect of Signalbox ({type(error).__name__}): its log says more")

    async def _next(self, finished: bool) -> Due:
        """One that may be tried now; of several namespaces each has its turn."""
        while True:
            news, now, waits = self._news, self._clock(), list[float]()
            for namespace, due in list(self._due.items()):
                for key, one in due.items():
                    if (one.standing.lesson.kind == "finished") != finished:
                        continue
                    failing = self._failing.get((namespace, key))
                    if failing is None or failing.again <= now:
                        del due[key]
                        del self._due[namespace]
                        if due:
                            self._due[namespace] = due  # behind all others
                        return one
                    waits.append(failing.again - now)
            with suppress(TimeoutError):
                async with asyncio.timeout(min(waits, default=None)):
                    await news.wait()

    async def _learn(self, one: Due) -> None:
        lesson, began = one.standing.lesson, self._clock()
        namespace = one.policy.namespace
        said = {"namespace": namespace, "lesson": lesson.key}
        if not self._kept.due(one.policy, one.standing):
            return  # it was learned when a reconcile had begun that has called it due
        try:
            contents = await self._contents(namespace, lesson.sources)
            digest = lesson.digest({source: _digest(source, value) for source, value in contents.items()})
            if digest is None or digest != one.standing.wanted:
                await asyncio.sleep(BEHIND_SECONDS)
                self._changed(namespace)  # it has changed meanwhile
                return
            result = await learn(lesson, contents)
        except (ApiError, Trouble) as error:
            _log.warning("lesson %s/%s: %s", *one.place, error, extra=said)
            self._failed(one, str(error))
            return
        del contents
        if isinstance(result, Done):
            _log.info("lesson %s/%s: learned in %.1f s", *one.place, self._clock() - began, extra=said)
            record, model = after_success(lesson, digest, result.artefact, result.report), result.artefact
        else:
            model = one.standing.model
            record = after_failure(one.standing.record, digest, "; ".join(result.errors), few=result.few)
            assert record.failed is not None
            _log.info("lesson %s/%s: nothing can be learned of this: %s", *one.place, record.failed.message, extra=said)
        for attempt in range(WRITE_TRIES):
            try:
                await self._kept.write(one.policy, lesson.key, record, model)
            except (ApiError, NameTaken) as error:
                if attempt == WRITE_TRIES - 1:
                    self._failed(one, f"what was learned cannot be kept: {error}")
                    return
                await asyncio.sleep(2.0**attempt / 4)
            else:
                self._failing.pop(one.place, None)
                return

    def _failed(self, one: Due, message: str) -> None:
        before = self._failing.get(one.place)
        times = before.times + 1 if before is not None and before.digest == one.standing.wanted else 1
        delay = min(FIRST_DELAY * 2.0 ** (times - 1), LONGEST_DELAY)
        self._failing[one.place] = Failing(one.standing.wanted, message, times, self._clock() + delay)
        self._changed(one.policy.namespace)

    async def _contents(self, namespace: str, sources: Iterable[Source]) -> dict[Source, bytes]:
        """Of those that are there; each object is fetched once. Raises ``ApiError``."""
        objects: dict[tuple[str, str], Mapping[str, bytes]] = {}
        found: dict[Source, bytes] = {}
        for source in sources:
            place = source.kind, source.name
            if place not in objects:
                resource = SECRETS if source.kind == "Secret" else CONFIG_MAPS
                obj = await self._client.get(resource, namespace, source.name)
                objects[place] = values(resource, obj) if obj is not None else {}
            if source.key in objects[place]:
                found[source] = objects[place][source.key]
        return found


def _digest(source: Source, value: bytes) -> str:
    """As the plan knows it."""
    return fact(source.kind, value).digest
