"""Every ready endpoint is asked for its metrics once an interval; the newest reading of each is kept."""

import asyncio
import contextlib
import logging
import resource
import time
from collections.abc import Callable, Iterable, Mapping

import msgspec

from signalbox.feedback.engines import reader
from signalbox.feedback.exposition import Unreadable
from signalbox.feedback.plan import Scrape
from signalbox.feedback.readings import Reading
from signalbox.routing.address_rules import AddressRules
from signalbox.signals.fetch import SECONDS, Authorities, Failed, Fetcher
from signalbox.signals.schedule import Schedule

AT_ONCE = 512
"""Looks under way. 5,000 endpoints every 5 s are 1,000 a second: a quarter of them may begin to hang together."""
MOST_SKIPPED = 3
"""Turns that an engine misses which used up the time or the size of a look, so that many such ones take no place from
the others."""

FILES = 65_536
"""Open files that are asked for, where the limit is lower: each endpoint keeps a connection."""

_log = logging.getLogger(__name__)

Observe = Callable[[float, float], None]
Key = tuple[str, str, str]
"""Owner, backend and endpoint."""


class Scraper:
    """Follows targets, of one owner or several; backends of different owners may have the same name.

    ``clock`` is monotonic, in seconds; ``authorities`` gives the PEM that a target's ``ca`` names; ``observe`` hears of
    each look how late it began, and how long it took.
    """

    def __init__(
        self,
        rules: AddressRules,
        clock: Callable[[], float] = time.monotonic,
        authorities: Authorities = lambda target: None,
        observe: Observe = lambda late, took: None,
    ) -> None:
        self._rules, self._clock, self._authorities, self._observe = rules, clock, authorities, observe
        self._targets: dict[str, dict[Key, Scrape]] = {}
        self._readings: dict[tuple[str, str], dict[str, Reading]] = {}
        self._problems: dict[tuple[str, str], dict[str, str]] = {}
        self._costly: dict[Key, int] = {}
        self._skip: dict[Key, int] = {}
        self._schedule: Schedule[Key] = Schedule()
        self._changed = asyncio.Event()
        self._looks: dict[Key, asyncio.Task[None]] = {}
        self._doubtful: set[Key] = set()

    def follow(self, targets: Iterable[Scrape], owner: str = "") -> None:
        """From now on these of the owner and no others. Who stays keeps its turn, and its reading unless another
        process is read, or others of its series."""
        known = self._targets.get(owner, {})
        wanted = {(owner, target.backend, target.key): target for target in targets}
        now = self._clock()
        for key in known.keys() - wanted.keys():
            self._forget(key)
            self._schedule.remove(key)
        for key, target in wanted.items():
            before = known.get(key)
            if before is not None and _source(before) != _source(target):
                self._forget(key)
            self._schedule.set(key, target.interval, now)
        if wanted:
            self._targets[owner] = wanted
        else:
            self._targets.pop(owner, None)
        self._changed.set()

    def readings(self, backend: str, owner: str = "") -> Mapping[str, Reading]:
        """By endpoint the newest reading, however old."""
        return self._readings.get((owner, backend), {})

    def problems(self, backend: str, owner: str = "") -> Mapping[str, str]:
        """By endpoint why the last look gave no reading; those where it did are absent."""
        return self._problems.get((owner, backend), {})

    @property
    def under_way(self) -> int:
        """Looks that have begun and not ended."""
        return len(self._looks)

    def of(self, owner: str) -> "Part":
        """What one owner follows."""
        return Part(self, owner)

    async def run(self) -> None:
        """Look until cancelled."""
        _allow_files()
        slots = asyncio.Semaphore(AT_ONCE)
        async with Fetcher(self._rules, self._authorities) as fetcher:
            try:
                while True:
                    await self._turn(fetcher, slots)
            finally:
                looks = list(self._looks.values())
                for look in looks:
                    look.cancel()
                await asyncio.gather(*looks, return_exceptions=True)

    async def _turn(self, fetcher: Fetcher, slots: asyncio.Semaphore) -> None:
        """Begin what is due, or wait for what is due next."""
        await slots.acquire()
        now = self._clock()
        taken = self._schedule.take(now)
        if taken is not None and self._may_look(taken[0]):
            key, due = taken
            look = self._looks[key] = asyncio.create_task(self._look(fetcher, key, now - due))
            look.add_done_callback(lambda _: self._looked(key, slots))
            return
        slots.release()
        if taken is not None:
            return
        due_next = self._schedule.next()
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if due_next is None else max(0.0, due_next - now)):
                await self._changed.wait()

    def _may_look(self, key: Key) -> bool:
        """Not while the last look goes on, and not yet after one that cost much; those have half of the places."""
        if key in self._looks:
            return False
        skip = self._skip.get(key, 0)
        if skip:
            self._skip[key] = skip - 1
            return False
        if self._costly.get(key):
            if len(self._doubtful) >= AT_ONCE // 2:
                return False
            self._doubtful.add(key)
        return True

    def _looked(self, key: Key, slots: asyncio.Semaphore) -> None:
        del self._looks[key]
        self._doubtful.discard(key)
        slots.release()

    async def _look(self, fetcher: Fetcher, key: Key, late: float) -> None:
        target = self._target(key)
        if target is None:
            return
        begun = self._clock()
        problem, costly = None, False
        try:
            read = reader(target.engine, target.selectors, target.model)
            found = await fetcher.fetch(target, read.scan(), slow=bool(self._costly.get(key)))
            reading = msgspec.structs.replace(read.reading(found, self._clock()), source=_source(target))
        except Failed as failed:
            problem, costly = failed.kind, failed.costly
        except Unreadable:
            problem = "NoSeries"
        except ValueError:
            problem = "NoSelector"
        except Exception as error:
            # Its message may quote what the engine said.
            _log.error("reading the metrics of %s: a defect: %s", "/".join(key), type(error).__name__)
            problem = "Defect"
        took = self._clock() - begun
        self._observe(late, took)
        if self._target(key) != target:
            return
        owner, backend, endpoint = key
        if problem is None:
            self._readings.setdefault((owner, backend), {})[endpoint] = reading
            self._problems.get((owner, backend), {}).pop(endpoint, None)
        else:
            self._problems.setdefault((owner, backend), {})[endpoint] = problem
        if costly:
            self._costly[key] = self._costly.get(key, 0) + 1
            self._skip[key] = min(MOST_SKIPPED, self._costly[key])
        elif problem is not None or took < SECONDS:
            self._costly.pop(key, None)

    def _target(self, key: Key) -> Scrape | None:
        return self._targets.get(key[0], {}).get(key)

    def _forget(self, key: Key) -> None:
        owner, backend, endpoint = key
        of = owner, backend
        self._readings.get(of, {}).pop(endpoint, None)
        self._problems.get(of, {}).pop(endpoint, None)
        if not self._readings.get(of):
            self._readings.pop(of, None)
        if not self._problems.get(of):
            self._problems.pop(of, None)
        self._costly.pop(key, None)
        self._skip.pop(key, None)


def _source(target: Scrape) -> int:
    """What counters are of: those of another source say nothing of these."""
    return hash((target.url, target.engine, target.model, target.selectors))


def _allow_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Part:
    """What one owner follows of a scraper: a ``loop.Source``."""

    def __init__(self, scraper: Scraper, owner: str) -> None:
        self._scraper, self._owner = scraper, owner

    def follow(self, targets: Iterable[Scrape]) -> None:
        """From now on these and no others."""
        self._scraper.follow(targets, self._owner)

    def readings(self, backend: str) -> Mapping[str, Reading]:
        """By endpoint the newest reading, however old."""
        return self._scraper.readings(backend, self._owner)

    def problems(self, backend: str) -> Mapping[str, str]:
        """By endpoint why the last look gave no reading; those where it did are absent."""
        return self._scraper.problems(backend, self._owner)
