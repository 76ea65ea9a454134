"""How the lessons of a directory stand, and having the rest learned."""

from collections.abc import Callable, Iterable, Mapping

from signalbox.api import RoutingPolicy
from signalbox.local.learning.cache import Cache
from signalbox.plan.contents import fact
from signalbox.plan.learned import (
    READY,
    Kept,
    Standing,
    after_failure,
    after_success,
    classifier_entries,
    standing_of,
    step_entries,
    told,
)
from signalbox.plan.lessons import Source, lessons_of
from signalbox.training.run import Done, Result, Trouble, learn, learn_now

Contents = Mapping[Source, bytes]
Tell = Callable[[str], None]


class Learned:
    """What this process knows of lessons, by key: the newest model of each goes on serving while another is learned."""

    def __init__(self, cache: Cache | None = None) -> None:
        self._cache = cache or Cache()
        self._known: dict[str, Kept] = {}

    def standings(self, policies: Iterable[RoutingPolicy], contents: Contents) -> list[Standing]:
        """Of all lessons of the policies; ``contents`` are the sources that are there."""
        digests = {source: fact(source.kind, value).digest for source, value in contents.items()}
        found = []
        for policy in policies:
            for lesson in lessons_of(policy):
                wanted, known = lesson.digest(digests), self._known.get(lesson.key, Kept())
                if wanted is not None and wanted != known.record.digest:
                    known = self._cache.get(wanted) or known
                    self._known[lesson.key] = known
                found.append(standing_of(lesson, digests, known))
        return found

    async def learn(self, standing: Standing, contents: Contents) -> None:
        """One lesson that is due."""
        try:
            self._take(standing, await learn(standing.lesson, contents))
        except Trouble as trouble:
            self._refuse(standing, str(trouble))

    def learn_now(self, standing: Standing, contents: Contents, tell: Tell) -> None:
        """The same for who waits for it; ``tell`` hears of what takes longer than a moment."""
        try:
            self._take(standing, learn_now(standing.lesson, contents, lambda: tell(f"learning {title(standing)} …")))
        except Trouble as trouble:
            self._refuse(standing, str(trouble))

    def _take(self, standing: Standing, result: Result) -> None:
        assert standing.wanted is not None
        if not isinstance(result, Done):
            self._refuse(standing, "; ".join(result.errors), few=result.few)
            return
        kept = Kept(after_success(standing.lesson, standing.wanted, result.artefact, result.report), result.artefact)
        self._known[standing.lesson.key] = kept
        self._cache.put(kept)

    def _refuse(self, standing: Standing, message: str, *, few: bool = False) -> None:
        assert standing.wanted is not None
        record = after_failure(standing.record, standing.wanted, message, few=few)
        self._known[standing.lesson.key] = Kept(record, standing.model)


def due(standings: Iterable[Standing]) -> list[Standing]:
    """Those that have to be learned."""
    return [one for one in standings if one.due]


def title(standing: Standing) -> str:
    """What people call it."""
    policy, name = standing.lesson.policy, standing.lesson.name
    if standing.lesson.kind != "confidence":
        return f"classifier {name} of policy {policy}"
    return f"confidence of {', '.join(standing.lesson.labels)} in route {name.rpartition('/')[0]} of policy {policy}"


def outcome(standing: Standing) -> str:
    """What came of it, where anything did."""
    entries = [*classifier_entries([standing]), *(one for each in step_entries([standing]).values() for one in each)]
    said = [
        (*([told(entry)] if "examples" in entry else []), *([entry["message"]] if "message" in entry else []))
        for entry in entries
        if entry["state"] in {READY, "Calibrated", "Uncalibrated"}
    ]
    return "".join(f"{title(standing)}: {'; '.join(each)}" for each in said)
